import BitsCore
import BitsOptim
import BitsSystem
import Testing
import _BitsTestSupport

/// Every rule against the formula in its comment, written again in double precision and followed for many steps.
@Suite("Rules against their textbooks")
struct TextbookTests {
    /// One element's formula: parameter, gradient, moments, step number; changes the parameter and the moments.
    typealias Formula = @Sendable (_ p: inout Double, _ g: Double, _ s: inout [Double], _ t: Double) -> Void

    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var rule: any UpdateRule
        var formula: Formula
    }

    static func adam(_ rule: Adam, decay: Double) -> Formula {
        { p, g, s, t in
            let (beta1, beta2) = (float32(rule.betas.first), float32(rule.betas.second))
            s[0] = beta1 * s[0] + (1 - beta1) * g
            s[1] = beta2 * s[1] + (1 - beta2) * g * g
            s[2] = max(s[2], s[1])
            let m = s[0] / (1 - exponential(beta1, t))
            let v = (rule.amsgrad ? s[2] : s[1]) / (1 - exponential(beta2, t))
            p = (p - rule.learningRate * m / (v.squareRoot() + rule.epsilon)) * (1 - rule.learningRate * decay)
        }
    }

    /// Betas are float32 numbers: 1 - 0.9999 is 1.7e-5 more in them than in double.
    static func float32(_ beta: Double) -> Double { Double(Float(beta)) }

    static func exponential(_ base: Double, _ t: Double) -> Double { (0..<Int(t)).reduce(1.0) { result, _ in result * base } }

    static let all: [Case] = [
        Case(testDescription: "Adam", rule: Adam(), formula: adam(Adam(), decay: 0)),
        Case(
            testDescription: "Adam with decay", rule: Adam(betas: (0.8, 0.9), epsilon: 1e-3, weightDecay: 0.1),
            formula: adam(Adam(betas: (0.8, 0.9), epsilon: 1e-3), decay: 0.1)),
        Case(
            testDescription: "Adam with the largest second moment", rule: Adam(betas: (0.9, 0.9), amsgrad: true),
            formula: adam(Adam(betas: (0.9, 0.9), amsgrad: true), decay: 0)),
        Case(testDescription: "AdamW", rule: AdamW(learningRate: 1e-2), formula: adam(Adam(learningRate: 1e-2), decay: 1e-2)),
        Case(testDescription: "AdEMAMix", rule: AdEMAMix(learningRate: 1e-2)) { p, g, s, t in
            let (beta1, beta2, beta3) = (float32(0.9), float32(0.999), float32(0.9999))
            s[0] = beta1 * s[0] + (1 - beta1) * g
            s[1] = beta3 * s[1] + (1 - beta3) * g
            s[2] = beta2 * s[2] + (1 - beta2) * g * g
            let (m, v) = (s[0] / (1 - exponential(beta1, t)), s[2] / (1 - exponential(beta2, t)))
            p = (p - 1e-2 * (m + 5 * s[1]) / (v.squareRoot() + 1e-8)) * (1 - 1e-4)
        },
        Case(
            testDescription: "AdEMAMix while it grows",
            rule: AdEMAMix(learningRate: 1e-2, betas: (0.8, 0.9, 0.99), alpha: 3, alphaSteps: 20, beta3Steps: 25, weightDecay: 0)
        ) { p, g, s, t in
            let (beta1, beta2) = (float32(0.8), float32(0.9))
            let beta3 = float32(min(0.99, exp(log(0.8) * log(0.99) / ((1 - t / 25) * log(0.99) + t / 25 * log(0.8)))))
            s[0] = beta1 * s[0] + (1 - beta1) * g
            s[1] = beta3 * s[1] + (1 - beta3) * g
            s[2] = beta2 * s[2] + (1 - beta2) * g * g
            let (m, v) = (s[0] / (1 - exponential(beta1, t)), s[2] / (1 - exponential(beta2, t)))
            p -= 1e-2 * (m + min(3, 3 * t / 20) * s[1]) / (v.squareRoot() + 1e-8)
        },
        Case(
            testDescription: "LAMB without bound is Adam", rule: LAMB(learningRate: 1e-2, weightDecay: 0.1, maxUpdateNorm: 0),
            formula: adam(Adam(learningRate: 1e-2), decay: 0.1)),
        Case(
            testDescription: "LAMB with the largest second moment",
            rule: LAMB(learningRate: 1e-2, betas: (0.9, 0.9), amsgrad: true, maxUpdateNorm: 0),
            formula: adam(Adam(learningRate: 1e-2, betas: (0.9, 0.9), amsgrad: true), decay: 0)),
        Case(
            testDescription: "LAMB with coupled decay and without bias correction",
            rule: LAMB(
                learningRate: 1e-2, biasCorrection: false, betas: (0.8, 0.9), weightDecay: 0.1, decouplesWeightDecay: false, maxUpdateNorm: 0)
        ) { p, g, s, t in
            let (g, beta1, beta2) = (g + 0.1 * p, float32(0.8), float32(0.9))
            s[0] = beta1 * s[0] + (1 - beta1) * g
            s[1] = beta2 * s[1] + (1 - beta2) * g * g
            p -= 1e-2 * s[0] / (s[1].squareRoot() + 1e-8)
        },
        Case(testDescription: "Lion", rule: Lion(learningRate: 1e-2, weightDecay: 0.1)) { p, g, s, t in
            let d = 0.9 * s[0] + 0.1 * g
            s[0] = 0.99 * s[0] + 0.01 * g
            p = p * (1 - 1e-3) - (d > 0 ? 1e-2 : d < 0 ? -1e-2 : 0)
        },
        Case(testDescription: "SGD", rule: SGD(learningRate: 0.1, weightDecay: 0.1)) { p, g, s, t in p -= 0.1 * (g + 0.1 * p) },
        Case(testDescription: "SGD with momentum and dampening", rule: SGD(learningRate: 0.1, momentum: 0.9, dampening: 0.3)) { p, g, s, t in
            s[0] = t == 1 ? g : 0.9 * s[0] + 0.7 * g
            p -= 0.1 * s[0]
        },
        Case(testDescription: "SGD after Nesterov", rule: SGD(learningRate: 0.1, momentum: 0.9, weightDecay: 0.1, nesterov: true)) { p, g, s, t in
            let g = g + 0.1 * p
            s[0] = t == 1 ? g : 0.9 * s[0] + g
            p -= 0.1 * (g + 0.9 * s[0])
        },
        Case(testDescription: "RMSprop", rule: RMSprop(weightDecay: 0.1)) { p, g, s, t in
            let g = g + 0.1 * p
            s[0] = 0.99 * s[0] + 0.01 * g * g
            p -= 1e-2 * g / (s[0].squareRoot() + 1e-8)
        },
        Case(testDescription: "RMSprop with momentum", rule: RMSprop(alpha: 0.9, momentum: 0.8)) { p, g, s, t in
            s[0] = 0.9 * s[0] + 0.1 * g * g
            s[1] = 0.8 * s[1] + g / (s[0].squareRoot() + 1e-8)
            p -= 1e-2 * s[1]
        },
        Case(testDescription: "RMSprop, centered", rule: RMSprop(alpha: 0.9, epsilon: 1e-2, momentum: 0.5, centered: true)) { p, g, s, t in
            s[0] = 0.9 * s[0] + 0.1 * g * g
            s[2] = 0.9 * s[2] + 0.1 * g
            s[1] = 0.5 * s[1] + g / (max(0, s[0] - s[2] * s[2]).squareRoot() + 1e-2)
            p -= 1e-2 * s[1]
        },
        Case(
            testDescription: "Adagrad", rule: Adagrad(learningRateDecay: 0.1, weightDecay: 0.1, initialAccumulatorValue: 0)
        ) { p, g, s, t in
            let g = g + 0.1 * p
            s[0] += g * g
            p -= 1e-2 / (1 + (t - 1) * 0.1) * g / (s[0].squareRoot() + 1e-10)
        },
    ]

    @Test("Thirty steps stay beside the formula", arguments: all)
    func textbook(_ textbook: Case) throws {
        let count = 300
        let start = HostileFloats.ordinary(count: count, seed: 1)
        let parameter = Parameter(Tensor(start))
        let optimizer = try Optimizer(groups: [ParameterGroup([parameter], rule: textbook.rule)])
        var exact = start.map { Double($0) }
        var moments = [[Double]](repeating: [0, 0, 0], count: count)
        for t in 1...30 {
            let gradient = HostileFloats.ordinary(count: count, seed: UInt64(100 + t))
            parameter.gradient = Tensor(gradient)
            try optimizer.step()
            for i in 0..<count { textbook.formula(&exact[i], Double(gradient[i]), &moments[i], Double(t)) }
        }
        let found = try parameter.value.floats()
        for i in 0..<count { #expect(abs(Double(found[i]) - exact[i]) <= 1e-6 + 1e-5 * abs(exact[i])) }
    }

    @Test("A sum of squares that starts above zero counts from there")
    func initialAccumulator() throws {
        for storage in [MomentStorage.float32, .blockwise8bit(minimumCount: 1)] {
            let parameter = Parameter(Tensor([Float](repeating: 1, count: 300)))
            let optimizer = try Optimizer([parameter], rule: Adagrad(learningRate: 1, initialAccumulatorValue: 3), moments: storage)
            parameter.gradient = Tensor([Float](repeating: 1, count: 300))
            try optimizer.step()
            #expect(try parameter.value.floats().allSatisfy { $0 == 0.5 })
        }
    }

    @Test("The trust clip holds a step to its share of the parameter", arguments: [MomentStorage.float32, .blockwise8bit(minimumCount: 1)])
    func trust(storage: MomentStorage) throws {
        let count = 1000
        let (start, gradient) = (HostileFloats.ordinary(count: count, seed: 3), HostileFloats.ordinary(count: count, seed: 4))
        func length(_ values: [Float]) -> Double { values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot() }
        let rules: [any UpdateRule] = [LARS(learningRate: 1, momentum: 0.9, maxUpdateNorm: 0.02), LAMB(learningRate: 1, maxUpdateNorm: 0.02)]
        for rule in rules {
            let parameter = Parameter(Tensor(start))
            let optimizer = try Optimizer(groups: [ParameterGroup([parameter], rule: rule)], moments: storage)
            parameter.gradient = Tensor(gradient)
            try optimizer.step()
            let moved = zip(try parameter.value.floats(), start).map { $0 - $1 }
            #expect(abs(length(moved) / length(start) - 0.02) < 1e-5)
            let zero = Parameter(Tensor([Float](repeating: 0, count: count)))
            zero.gradient = Tensor(gradient)
            try Optimizer(groups: [ParameterGroup([zero], rule: rule)], moments: storage).step()
            #expect(try zero.value.floats().allSatisfy { $0 == 0 })
        }
    }
}
