import BitsModels
import BitsSystem
import Testing

@Suite("Choosing the next token")
struct SamplerTests {
    /// How often each token is drawn in 4,000 draws.
    private func counts(_ logits: [Float], history: [Int32] = [], _ change: (inout SamplingOptions) -> Void = { _ in }) -> [Int] {
        var options = SamplingOptions()
        change(&options)
        var sampler = TokenSampler(options, seed: 1)
        var counts = [Int](repeating: 0, count: logits.count)
        for _ in 0..<4000 { counts[Int(sampler.next(logits: logits, history: history))] += 1 }
        return counts
    }

    private func greedy(_ logits: [Float], history: [Int32] = [], penalty: Float = 1) -> Int32 {
        var options = SamplingOptions.greedy
        options.repetitionPenalty = penalty
        var sampler = TokenSampler(options, seed: 1)
        return sampler.next(logits: logits, history: history)
    }

    @Test("Greedy takes the largest, the first of equals, and never NaN")
    func greedyChoice() {
        #expect(greedy([1, 3, 2]) == 1)
        #expect(greedy([1, 3, 3]) == 1)
        #expect(greedy([.nan, 1, 3]) == 2)
        #expect(greedy([1, .nan, 0]) == 0)
        #expect(greedy([-.infinity, -5, .nan]) == 1)
        #expect(greedy([1, .infinity, 3]) == 1)
    }

    @Test("Tokens are drawn as often as they are probable")
    func frequencies() {
        // Probabilities 0.1, 0.2, 0.7; a standard deviation is at most 32 draws.
        let found = counts([0.1, 0.2, 0.7].map { Float.log($0) })
        #expect(zip(found, [400, 800, 2800]).allSatisfy { abs($0 - $1) < 150 })
    }

    @Test("Temperature sharpens below 1 and flattens above")
    func temperature() {
        // Squared and normalized: 1/54, 4/54, 49/54. Square roots: 0.188, 0.266, 0.497 of their sum.
        let logits = [0.1, 0.2, 0.7].map { Float.log($0) }
        #expect(zip(counts(logits) { $0.temperature = 0.5 }, [74, 296, 3630]).allSatisfy { abs($0 - $1) < 120 })
        let roots = [0.1, 0.2, 0.7].map { $0.squareRoot() }
        let sum = roots.reduce(0, +)
        #expect(zip(counts(logits) { $0.temperature = 2 }, roots.map { Int(4000 * $0 / sum) }).allSatisfy { abs($0 - $1) < 150 })
    }

    @Test("Top-k keeps the k most likely, the lower ids of equals")
    func topK() {
        #expect(counts([0, 2, 1, 3]) { $0.topK = 1 } == [0, 0, 0, 4000])
        #expect(counts([0, 2, 1, 3]) { $0.topK = 2 }.map { $0 > 0 } == [false, true, false, true])
        #expect(counts([1, 1, 1, 1]) { $0.topK = 3 }.map { $0 > 0 } == [true, true, true, false])
        #expect(counts([1, 1]) { $0.topK = 10 }.map { $0 > 0 } == [true, true])
    }

    @Test("Top-p keeps the fewest most likely tokens that reach the sum")
    func topP() {
        let logits = [0.5, 0.3, 0.15, 0.05].map { Float.log($0) }
        #expect(counts(logits) { $0.topP = 0.45 }.map { $0 > 0 } == [true, false, false, false])
        #expect(counts(logits) { $0.topP = 0.55 }.map { $0 > 0 } == [true, true, false, false])
        #expect(counts(logits) { $0.topP = 0.9 }.map { $0 > 0 } == [true, true, true, false])
        #expect(counts(logits) { $0.topP = 1 }.map { $0 > 0 } == [true, true, true, true])
        #expect(counts(logits) { $0.topP = 1e-6 }.map { $0 > 0 } == [true, false, false, false])
        // Of what top-k left: 0.5 / 0.8 is above 0.6.
        #expect(
            counts(logits) {
                $0.topK = 2
                $0.topP = 0.6
            }.map { $0 > 0 } == [true, false, false, false])
    }

    @Test("In a large vocabulary with many equals, what is drawn is what sorting all of it would leave")
    func largeVocabulary() {
        // Eighty values with 37 or 38 tokens each; the zeros are of either sign.
        let logits = (0..<3000).map { token in token % 160 == 0 ? -0.0 : Float(token % 80) / 10 }
        let order = logits.indices.sorted { logits[$0] > logits[$1] || (logits[$0] == logits[$1] && $0 < $1) }
        func drawn(_ change: (inout SamplingOptions) -> Void) -> Set<Int> {
            let counts = counts(logits, change)
            return Set(counts.indices.filter { counts[$0] > 0 })
        }
        for k in [1, 36, 38, 100] {
            #expect(drawn { ($0.topK, $0.temperature) = (k, 50) } == Set(order.prefix(k)), "top-k \(k)")
        }
        for k in [2999, 3000, Int.max] {
            #expect(drawn { ($0.topK, $0.temperature) = (k, 50) }.isSubset(of: order.prefix(k)), "top-k \(k)")
        }
        let weights = order.map { exp(Double(logits[$0])) }
        let total = weights.reduce(0, +)
        for share in [0.01, 0.05, 0.5, 0.99] {
            var (sum, count) = (0.0, 0)
            while sum < total * share {
                sum += weights[count]
                count += 1
            }
            let found = drawn { $0.topP = Float(share) }
            #expect(found.isSubset(of: order.prefix(count)), "top-p \(share)")
            #expect(share > 0.1 || found == Set(order.prefix(count)), "top-p \(share)")
        }
    }

    @Test("The repetition penalty makes seen tokens less likely, whatever the sign of their logits")
    func penalty() {
        #expect(greedy([2, 1.5], history: [0], penalty: 2) == 1)
        #expect(greedy([-1, -1.5], history: [0], penalty: 2) == 1)
        #expect(greedy([2, 1.5], history: [0, 1], penalty: 2) == 0)
        // Once, however often it was seen; tokens that do not exist are no problem.
        #expect(greedy([2, 0.9], history: [0, 0, 0, 77, -1], penalty: 2) == 0)
        #expect(greedy([2, 1.5], history: [0], penalty: 1) == 0)
    }

    @Test("A seed's draws are the same every time, another seed's are not")
    func seeds() {
        func draws(_ seed: UInt64) -> [Int32] {
            var sampler = TokenSampler(SamplingOptions(), seed: seed)
            return (0..<50).map { _ in sampler.next(logits: [1, 1, 1, 1], history: []) }
        }
        #expect(draws(3) == draws(3))
        #expect(draws(3) != draws(4))
    }

    @Test("Logits that are NaN are never drawn, infinite ones are always or never")
    func hostileLogits() {
        #expect(counts([.nan, 1, .nan, 1]).map { $0 > 0 } == [false, true, false, true])
        #expect(counts([0, -.infinity, 0]).map { $0 > 0 } == [true, false, true])
        #expect(counts([0, .infinity, 3]) == [0, 4000, 0])
        #expect(counts([0, .infinity, 3]) { $0.topP = 0.9 } == [0, 4000, 0])
        #expect(counts([1000, -1000, 0]) { $0.temperature = 1e-30 } == [4000, 0, 0])
    }

    @Test("Options out of range are named, with what to use")
    func problems() {
        func problem(_ change: (inout SamplingOptions) -> Void) -> String {
            var options = SamplingOptions()
            change(&options)
            return options.problem ?? ""
        }
        #expect(SamplingOptions().problem == nil)
        #expect(SamplingOptions.greedy.problem == nil)
        #expect(problem { $0.temperature = -1 }.contains("temperature is -1"))
        #expect(problem { $0.temperature = .nan }.contains("temperature"))
        #expect(problem { $0.topK = -1 }.contains("top-k is -1"))
        #expect(problem { $0.topP = 0 }.contains("top-p is 0"))
        #expect(problem { $0.topP = 1.5 }.contains("at most 1"))
        #expect(problem { $0.repetitionPenalty = 0 }.contains("repetition penalty"))
    }
}

extension Float {
    fileprivate static func log(_ x: Double) -> Float { Float(BitsSystem.log(x)) }
}
