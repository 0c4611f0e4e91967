import BitsCore
import BitsIO
import BitsOptim
import Testing
import _BitsTestSupport

@Suite("State files")
struct StateFileTests {
    static let rules: [any UpdateRule] = OptimizerTests.rules + [Adam(amsgrad: true), RMSprop(momentum: 0.5, centered: true)]
    static let storages: [MomentStorage] = [.float32, .blockwise8bit(), .float32(paged: true), .blockwise8bit(paged: true)]
    static let counts = [100_003, 5000, 70]

    /// Parameters in two groups, an optimizer, and its steps.
    struct Run {
        let parameters: [Parameter]
        let optimizer: Optimizer

        init(_ rule: any UpdateRule, _ storage: MomentStorage, counts: [Int] = StateFileTests.counts) throws {
            parameters = counts.enumerated().map { Parameter(Tensor(HostileFloats.ordinary(count: $1, seed: UInt64($0 + 1)))) }
            let groups = [ParameterGroup(Array(parameters.prefix(1)), rule: rule), ParameterGroup(Array(parameters.dropFirst()), rule: rule)]
            let storage = rule.objectionTo8Bits == nil ? storage : .float32(paged: storage.paging != nil)
            optimizer = try Optimizer(groups: groups, moments: storage, schedule: .linear(warmupSteps: 2, totalSteps: 50), clipping: .percentile(10))
        }

        func step(_ range: ClosedRange<Int>) throws {
            for t in range {
                for (index, parameter) in parameters.enumerated() where index != 2 || t % 2 == 0 {
                    parameter.gradient = Tensor(HostileFloats.ordinary(count: parameter.count, seed: UInt64(1000 * t + index)))
                }
                try optimizer.step()
                optimizer.clearGradients()
            }
        }

        func take(_ other: Run) { for (mine, theirs) in zip(parameters, other.parameters) { mine.value = theirs.value } }
    }

    private func bytes(_ path: String) throws -> [UInt8] {
        let file = try MappedFile(path: path)
        return file.bytes(in: 0..<file.byteCount)
    }

    private func message(_ body: () throws -> Void) -> String {
        do { try body() } catch { return "\(error)" }
        return "no error"
    }

    @Test("Resuming is byte for byte as if nothing had stopped", arguments: rules.indices, storages)
    func resumption(rule: Int, storage: MomentStorage) throws {
        let folder = try TemporaryFolder()
        let (rule, half, whole) = (Self.rules[rule], "\(folder.path)/half.safetensors", "\(folder.path)/whole.safetensors")
        let uninterrupted = try Run(rule, storage)
        try uninterrupted.step(1...3)
        try uninterrupted.optimizer.saveState(to: half)
        let resumed = try Run(rule, storage)
        resumed.take(uninterrupted)
        try uninterrupted.step(4...6)
        try uninterrupted.optimizer.saveState(to: whole)
        try resumed.optimizer.loadState(from: half)
        #expect(resumed.optimizer.stepCount == 3)
        try resumed.step(4...6)
        try resumed.optimizer.saveState(to: half)
        #expect(try bytes(half) == bytes(whole))
        for (a, b) in zip(uninterrupted.parameters, resumed.parameters) { #expect(try a.value.floats() == b.value.floats()) }
        #expect((resumed.optimizer.paging != nil) == (storage.paging != nil && !rule.moments.isEmpty))
        #expect(resumed.optimizer.momentByteCount == uninterrupted.optimizer.momentByteCount)
    }

    @Test("Both layouts hold the same", arguments: StateLayout.allCases)
    func layouts(layout: StateLayout) throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/state.safetensors"
        let run = try Run(AdEMAMix(alphaSteps: 7), .blockwise8bit())
        try run.step(1...2)
        try run.optimizer.saveState(to: path, layout: layout)
        let file = try SafetensorsFile(path: path)
        let prefix = layout == .nested ? "state.0.__bnb_optimizer_quant_state__." : "state.0."
        #expect(file[prefix + "state1"]?.shape == [2, 100_003] && file[prefix + "absmax1"]?.shape == [2, 391])
        #expect(file[prefix + "state2"]?.shape == [100_003] && file[prefix + "qmap2"]?.shape == [256] && file["state.0.step"]?.shape == [])
        #expect(file.metadata["param_groups"]?.contains("\"t_alpha\": 7, \"t_beta3\": null") == true)
        #expect(file.metadata["param_groups"]?.contains("\"params\": [1, 2]") == true)
        let other = try Run(AdEMAMix(), .float32)
        try other.optimizer.loadState(from: path)
        #expect((other.optimizer.groups[1].rule as? AdEMAMix)?.alphaSteps == 7)
        for (a, b) in zip(run.parameters, other.parameters) {
            let moments = (try run.optimizer.momentValues(of: a), try other.optimizer.momentValues(of: b))
            #expect(moments.0?.count == moments.1?.count)
            for (a, b) in zip(moments.0 ?? [], moments.1 ?? []) { #expect(try a.floats() == b.floats()) }
        }
    }

    /// What bitsandbytes before 0.44 kept: blocks of 2048, and on the processor a codebook whose first value it had overwritten.
    @Test("State in blocks of 2048, with a damaged codebook, goes on as it is")
    func olderBlocks() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/state.safetensors"
        let count = 5000
        var codebook = try #require(try Run(Lion(), .blockwise8bit()).codebook(folder))
        codebook[0] = -1
        let codes = (0..<count).map { UInt8($0 % 256) }
        let tensors: [String: Tensor] = [
            "state.0.state1": Tensor(codes), "state.0.qmap1": Tensor(codebook), "state.0.absmax1": Tensor([1, 2, 4] as [Float]),
            "state.0.step": Tensor([3.0], shape: []),
        ]
        let groups = "[{\"lr\": 0.5, \"betas\": [0.9, 0.99], \"eps\": 0.0, \"weight_decay\": 0, \"params\": [0]}]"
        try SafetensorsFile.write(tensors, metadata: ["param_groups": groups], to: path)
        let parameter = Parameter(Tensor.zeros([count]))
        let optimizer = try Optimizer([parameter], rule: Lion(), moments: .blockwise8bit())
        try optimizer.loadState(from: path)
        #expect(optimizer.stepCount == 3 && optimizer.groups[0].rule.learningRate == 0.5)
        let moments = try #require(try optimizer.momentValues(of: parameter))
        let expected = codes.enumerated().map { codebook[Int($1)] * [1, 2, 4][$0 / 2048] }
        #expect(try moments[0].floats() == expected)
        parameter.gradient = Tensor.ones([count])
        try optimizer.step()
        #expect(optimizer.momentByteCount == count + 3 * 4)
    }

    @Test("A codebook in any order means the same state, and steps on alike", arguments: [1, 2])
    func otherOrders(parts: Int) throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/state.safetensors"
        let count = 600
        let rising = (0..<256).map { Float($0) / 128 - 1 }
        let codes = (0..<parts * count).map { UInt8(($0 * 7) % 256) }
        /// Two steps from moments whose codes stand for `codebook`, where `code` has that of each rank.
        func moments(_ codebook: [Float], code: (UInt8) -> UInt8) throws -> [[Float]] {
            let outer = parts > 1 ? [parts] : []
            var tensors: [String: Tensor] = [
                "state.0.state1": Tensor(codes.map(code), shape: outer + [count]), "state.0.qmap1": Tensor(codebook),
                "state.0.absmax1": Tensor((0..<3 * parts).map { Float($0 + 1) }, shape: outer + [3]), "state.0.step": Tensor([3.0], shape: []),
            ]
            if parts > 1 {
                tensors["state.0.state2"] = Tensor([UInt8](repeating: 9, count: count))
                tensors["state.0.qmap2"] = Tensor((0..<256).map { Float($0) / 255 })
                tensors["state.0.absmax2"] = Tensor.ones([3])
            }
            let betas = parts > 1 ? "[0.9, 0.99, 0.999]" : "[0.9, 0.99]"
            let groups = "[{\"lr\": 0.5, \"betas\": \(betas), \"eps\": 1e-8, \"weight_decay\": 0, \"alpha\": 5, \"params\": [0]}]"
            try SafetensorsFile.write(tensors, metadata: ["param_groups": groups], to: path)
            let parameter = Parameter(Tensor.zeros([count]))
            let rule: any UpdateRule = parts > 1 ? AdEMAMix() : Lion()
            let optimizer = try Optimizer([parameter], rule: rule, moments: .blockwise8bit(minimumCount: 0))
            try optimizer.loadState(from: path)
            let before = try #require(try optimizer.momentValues(of: parameter)).map { try $0.floats() }
            for _ in 0..<2 {
                parameter.gradient = Tensor(HostileFloats.ordinary(count: count, seed: 1))
                try optimizer.step()
            }
            return try before + #require(try optimizer.momentValues(of: parameter)).map { try $0.floats() } + [parameter.value.floats()]
        }
        let expected = try moments(rising) { $0 }
        #expect(expected[0] == codes.prefix(count).enumerated().map { rising[Int($1)] * Float($0 / 256 + 1) })
        #expect(try moments(rising.reversed()) { 255 - $0 } == expected)
        // An odd multiplier permutes all codes.
        #expect(try moments((0..<256).map { rising[($0 * 77) % 256] }) { $0 &* 133 } == expected)
    }

    @Test("State with one scale for all elements, as block_wise: false left it, goes on in blocks")
    func oneScale() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/state.safetensors"
        let codebook = try #require(try Run(Lion(), .blockwise8bit()).codebook(folder))
        let codes = (0..<600).map { UInt8($0 % 256) }
        let tensors: [String: Tensor] = [
            "state.0.state1": Tensor(codes), "state.0.qmap1": Tensor(codebook), "state.0.max1": Tensor([0.25] as [Float]),
            "state.0.new_max1": Tensor([7] as [Float]), "state.0.step": Tensor([3.0], shape: []),
        ]
        try SafetensorsFile.write(tensors, metadata: ["param_groups": "[{\"lr\": 0.5, \"betas\": [0.9, 0.99], \"params\": [0]}]"], to: path)
        let parameter = Parameter(Tensor.zeros([600]))
        let optimizer = try Optimizer([parameter], rule: Lion(), moments: .blockwise8bit())
        try optimizer.loadState(from: path)
        #expect(try #require(try optimizer.momentValues(of: parameter))[0].floats() == codes.map { codebook[Int($0)] * 0.25 })
        #expect(optimizer.momentByteCount == 600 + 3 * 4)
        parameter.gradient = Tensor.ones([600])
        try optimizer.step()
    }

    @Test("A file of another model or optimizer, or a damaged one, is one error, and nothing is changed")
    func mismatches() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/state.safetensors"
        let run = try Run(AdamW(), .blockwise8bit())
        try run.step(1...2)
        try run.optimizer.saveState(to: path)
        let before = try run.optimizer.momentValues(of: run.parameters[0])!.map { try $0.floats() }
        func refusal(_ other: Run) -> String {
            let text = message { try other.optimizer.loadState(from: path) }
            #expect(other.optimizer.stepCount == 0 && other.optimizer.momentByteCount == 0)
            return text
        }
        #expect(refusal(try Run(Adam(), .blockwise8bit())).contains("it is the state of adamw, adamw, the optimizer is adam, adam"))
        #expect(refusal(try Run(AdamW(), .float32, counts: [100_003, 5000])).contains("its group 1 has 2 parameters, the optimizer's 1"))
        #expect(refusal(try Run(AdamW(), .float32, counts: [100_003, 5001, 70])).contains("has shape [5000]; [5001] was expected"))
        let one = try Optimizer([Parameter(Tensor.zeros([100_003]))], rule: AdamW())
        #expect(message { try one.loadState(from: path) }.contains("it has 2 parameter groups, the optimizer 1"))
        #expect(message { try one.loadState(from: "\(folder.path)/none") }.contains("No such file"))

        let whole = try bytes(path)
        let damaged = try folder.write(Array(whole.prefix(whole.count - 7)), as: "damaged.safetensors")
        #expect(message { try run.optimizer.loadState(from: damaged) }.contains("cut short"))
        try SafetensorsFile.write(["weight": Tensor([1.0])], to: damaged)
        #expect(message { try run.optimizer.loadState(from: damaged) }.contains("no param_groups"))
        #expect(try run.optimizer.momentValues(of: run.parameters[0])!.map { try $0.floats() } == before)
        #expect(run.optimizer.stepCount == 2)
        #expect(message { try run.optimizer.saveState(to: "/nowhere/state") }.contains("cannot be written"))
    }

    @Test("A state that could never step is refused, and the settings stay what they were")
    func unfitSettings() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/state.safetensors"
        let maximum = try Run(Adam(amsgrad: true), .float32, counts: [300, 70])
        try maximum.step(1...1)
        try maximum.optimizer.saveState(to: path)
        let blockwise = try Run(Adam(), .blockwise8bit(), counts: [300, 70])
        #expect(message { try blockwise.optimizer.loadState(from: path) }.contains("amsgrad"))
        #expect((blockwise.optimizer.groups[0].rule as? Adam)?.amsgrad == false)
        try blockwise.step(1...2)

        let nesterov = try Run(SGD(learningRate: 1, momentum: 0.9, nesterov: true), .float32, counts: [300, 70])
        try nesterov.step(1...1)
        try nesterov.optimizer.saveState(to: path)
        let overridden = try Run(SGD(learningRate: 1, momentum: 0.9), .float32, counts: [300, 70])
        try overridden.optimizer.override(overridden.parameters[1], ParameterOverride(others: ["momentum": 0]))
        #expect(message { try overridden.optimizer.loadState(from: path) }.contains("nesterov needs a momentum"))
        try overridden.step(1...2)
    }

    @Test("Moments that an override alone asks for, or does without, are saved and come back")
    func overriddenMoments() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/state.safetensors"
        func run() throws -> Run {
            let run = try Run(SGD(learningRate: 0.1, momentum: 0.5), .float32, counts: [300, 70])
            try run.optimizer.override(run.parameters[0], ParameterOverride(others: ["momentum": 0]))
            return run
        }
        let (whole, resumed) = (try run(), try run())
        try whole.step(1...2)
        try whole.optimizer.saveState(to: path)
        resumed.take(whole)
        try resumed.optimizer.loadState(from: path)
        try whole.step(3...4)
        try resumed.step(3...4)
        for (a, b) in zip(whole.parameters, resumed.parameters) { #expect(try a.value.floats() == b.value.floats()) }
    }

    @Test("Entries that contradict each other are refused by name")
    func contradictions() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/state.safetensors"
        let parameter = Parameter(Tensor.zeros([300]))
        let optimizer = try Optimizer([parameter], rule: Lion())
        let groups = "[{\"lr\": 0.5, \"betas\": [0.9, 0.99], \"params\": [0]}]"
        let good: [String: Tensor] = ["state.0.state1": Tensor.zeros([300]), "state.0.step": Tensor([3.0], shape: [])]
        func refusal(_ changes: [String: Tensor], without: String = "", groups: String = groups, metadata: [String: String] = [:]) throws -> String {
            let tensors = good.merging(changes) { $1 }.filter { $0.key != without }
            try SafetensorsFile.write(tensors, metadata: metadata.merging(["param_groups": groups]) { $1 }, to: path)
            return message { try optimizer.loadState(from: path) }
        }
        #expect(try refusal([:]) == "no error")
        #expect(try refusal([:], without: "state.0.step").contains("its 'step' is missing"))
        #expect(try refusal(["state.0.step": Tensor([-3.0], shape: [])]).contains("'state.0.step' is -3.0; a number of steps"))
        for step in [Float.nan, .infinity, 1e30, 0x1p60, 1.5] {
            #expect(try refusal(["state.0.step": Tensor([step], shape: [])]).contains("'state.0.step' is \(step); a number of steps"))
        }
        #expect(try refusal(["state.0.step": Tensor([-1] as [Int32], shape: [])]).contains("'state.0.step' is -1; a number of steps"))
        for count in ["-5", "9223372036854775807", "many"] {
            #expect(try refusal([:], metadata: ["step_count": count]).contains("step_count is '\(count)'"))
        }
        #expect(try refusal(["state.0.gnorm_vec": Tensor([Float](repeating: -1, count: 100))]).contains("gnorm_vec' holds -1.0"))
        let twice = ["state.0.__bnb_optimizer_quant_state__.state1": Tensor.zeros([300])]
        #expect(try refusal(twice).contains("it has 'state.0."))
        #expect(try refusal([:], groups: "[{\"lr\": 0.5, \"betas\": [0.9], \"params\": [0]}]").contains("betas of a group is no list of at least 2"))
        #expect(try refusal([:], groups: "[{\"lr\": 0.5, \"betas\": 0.9, \"params\": [0]}]").contains("betas of a group is no list"))
        #expect(try refusal(["state.0.state2": Tensor.zeros([300])]).contains("a moment that lion does not keep"))
        #expect(try refusal(["state.0.state1": Tensor([Int32](repeating: 0, count: 300))]).contains("F32 or U8 was expected"))
        let codes = Tensor([UInt8](repeating: 0, count: 300))
        #expect(try refusal(["state.0.state1": codes]).contains("its 'qmap1' is missing"))
        #expect(try refusal(["state.0.state1": codes, "state.0.qmap1": Tensor.zeros([255])]).contains("[256] was expected"))
        let even = Tensor((0..<256).map { Float($0) / 255 })
        #expect(try refusal(["state.0.state1": codes, "state.0.qmap1": even, "state.0.absmax1": Tensor.zeros([77])]).contains("suits no block size"))
        for scale in [Float.nan, .infinity, -1] {
            let scales: [String: Tensor] = ["state.0.state1": codes, "state.0.qmap1": even, "state.0.absmax1": Tensor([1, scale])]
            #expect(try refusal(scales).contains("'state.0.absmax1' holds \(scale)"))
            let single: [String: Tensor] = ["state.0.state1": codes, "state.0.qmap1": even, "state.0.max1": Tensor([scale])]
            #expect(try refusal(single).contains("'state.0.max1' holds"))
        }
        #expect(try refusal(["state.9.state1": codes]).contains("it has state for parameter 9"))
        #expect(try refusal([:], groups: "[{\"lr\": -1, \"params\": [0]}]").contains("lr is -1.0"))
        #expect(try refusal([:], groups: "[{\"lr\": \"fast\", \"params\": [0]}]").contains("lr of a group is neither"))
        #expect(try refusal([:], groups: "[1]").contains("no group"))
        #expect(try refusal([:], groups: "[").contains("param_groups"))
    }
}

extension StateFileTests.Run {
    /// The codebook of the first moment, by way of a file.
    func codebook(_ folder: TemporaryFolder) throws -> [Float]? {
        try step(1...1)
        let path = "\(folder.path)/codebook.safetensors"
        try optimizer.saveState(to: path, layout: .flat)
        let file = try SafetensorsFile(path: path)
        return try file["state.0.qmap1"].map { try file.tensor($0).floats() }
    }
}
