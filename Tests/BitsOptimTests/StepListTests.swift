import BitsCore
import BitsKernels
import BitsOptim
import Testing
import _BitsTestSupport

@Suite("Steps that are kept")
struct StepListTests {
    /// What happens before a step, from 0 on.
    struct Course: Sendable, CustomTestStringConvertible {
        let testDescription: String
        /// Steps that are taken by what is left of the one before.
        let kept: [Int]
        let clipping: GradientClipping?
        let change: @Sendable (Int, Optimizer, [Parameter]) throws -> Void

        init(
            _ name: String, kept: [Int], clipping: GradientClipping? = nil,
            _ change: @escaping @Sendable (Int, Optimizer, [Parameter]) throws -> Void = { _, _, _ in }
        ) {
            (testDescription, self.kept, self.clipping, self.change) = (name, kept, clipping, change)
        }
    }

    static let courses = [
        Course("nothing but gradients", kept: [1, 2, 3, 4]),
        Course("gradients that stay", kept: [1, 2, 3, 4]) { step, _, parameters in
            if step > 1 { for parameter in parameters { parameter.gradient = Tensor.ones(parameter.shape, device: parameter.device) } }
        },
        Course("the learning rate", kept: [1, 2, 3, 4]) { step, optimizer, _ in try optimizer.setLearningRate(0.01 * Double(step + 1)) },
        Course("the scale", kept: [1, 2, 3, 4]) { step, optimizer, _ in optimizer.gradientScale = step == 2 ? 1 : 0.5 },
        Course("clipping by norm", kept: [1, 2, 3, 4], clipping: .norm(0.3)),
        Course("clipping by value", kept: [1, 2, 3, 4]) { step, optimizer, _ in optimizer.clipping = step == 2 ? .value(0.1) : nil },
        Course("zeros that are skipped", kept: [1, 2, 3, 4]) { step, optimizer, _ in optimizer.skipsZeros = step == 3 },
        Course("clipping by percentile", kept: [], clipping: .percentile(50)),
        Course("a percentile for a while", kept: [1, 4]) { step, optimizer, _ in optimizer.clipping = step == 2 ? .percentile(50) : nil },
        Course("a parameter without a gradient", kept: [1, 4]) { step, _, parameters in
            if step == 2 { parameters[1].gradient = nil }
        },
        Course("a parameter that is frozen", kept: [1, 3]) { step, _, parameters in parameters[2].isTrainable = ![2, 3].contains(step) },
        Course("a value that is another", kept: [1, 3, 4]) { step, _, parameters in
            if step == 2 { parameters[0].value = Tensor.ones(parameters[0].shape, device: parameters[0].device) }
        },
        Course("gradients of another type", kept: [1, 3, 4]) { step, _, parameters in
            guard step > 1, let gradient = parameters[3].gradient else { return }
            parameters[3].gradient = gradient.cast(to: .bfloat16)
        },
        Course("an override", kept: [1, 3, 4]) { step, optimizer, parameters in
            if step == 2 { try optimizer.override(parameters[1], ParameterOverride(learningRate: 0.5)) }
        },
    ]

    /// Parameters after five steps, and which of these were taken by what was left of the one before.
    private func run(_ course: Course, on device: Device, keeps: Bool) throws -> (values: [[Float]], kept: [Int]) {
        let counts = [4096, 300, 1021, 77]
        let parameters = counts.enumerated().map { Parameter(Tensor(HostileFloats.ordinary(count: $1, seed: UInt64($0)), device: device)) }
        let optimizer = try Optimizer(
            groups: [
                ParameterGroup(Array(parameters[..<2]), rule: AdamW()), ParameterGroup(Array(parameters[2...]), rule: Adam(weightDecay: 0.1)),
            ], moments: .blockwise8bit(minimumCount: 1000), clipping: course.clipping)
        var kept = [Int]()
        for step in 0..<5 {
            for (index, parameter) in parameters.enumerated() {
                parameter.gradient = Tensor(HostileFloats.ordinary(count: counts[index], seed: UInt64(100 * step + index)), device: device)
            }
            try course.change(step, optimizer, parameters)
            let before = optimizer.list
            // What shares a parameter's memory keeps it from changing in place.
            let holds = keeps ? [] : parameters.map(\.value)
            try withExtendedLifetime(holds) { try optimizer.step() }
            if let before, before === optimizer.list { kept.append(step) }
        }
        return (try parameters.map { try $0.value.floats() }, kept)
    }

    @Test("A step on what the one before left gives the same bits, and where something else has changed all is made anew", arguments: courses)
    func sameBits(course: Course) throws {
        for device in [Device.cpu, .deferred()] {
            let (found, kept) = try run(course, on: device, keeps: true)
            let (expected, anew) = try run(course, on: device, keeps: false)
            #expect(found == expected)
            #expect(kept == course.kept && anew == [])
        }
    }

    @Test("What is kept between steps holds no gradient")
    func memory() throws {
        let device = Device.deferred()
        let parameters = (0..<4).map { _ in Parameter(Tensor.ones([1000], device: device)) }
        let optimizer = try Optimizer(parameters, rule: AdamW(), clipping: .norm(1))
        for _ in 0..<3 {
            for parameter in parameters { parameter.gradient = Tensor.ones([1000], device: device) }
            try optimizer.step()
        }
        #expect(device.memory.live[.gradients] == 16_000)
        optimizer.clearGradients()
        #expect(device.memory.live[.gradients] == 0)
    }

    @Test("States that are loaded take the place of those that were kept")
    func loading() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/optimizer.safetensors"
        func gradient(_ seed: UInt64) -> Tensor { Tensor(HostileFloats.ordinary(count: 500, seed: seed)) }
        func trained(_ seeds: [UInt64]) throws -> (Parameter, Optimizer) {
            let parameter = Parameter(Tensor.ones([500]))
            let optimizer = try Optimizer([parameter], rule: AdamW(), moments: .blockwise8bit(minimumCount: 1))
            for seed in seeds {
                parameter.gradient = gradient(seed)
                try optimizer.step()
            }
            return (parameter, optimizer)
        }
        let (one, other) = (try trained([1, 2, 3]), try trained([4, 5, 6]))
        try one.1.saveState(to: path)
        try other.1.loadState(from: path)
        for (parameter, optimizer) in [one, other] {
            parameter.gradient = gradient(7)
            try optimizer.step()
        }
        let moments = try [one, other].map { parameter, optimizer in try #require(try optimizer.momentValues(of: parameter)).map { try $0.floats() } }
        #expect(moments[0] == moments[1])
    }
}
