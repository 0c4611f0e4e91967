import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("Loading a model")
struct LoadingTests {
    private let ids = TokenBatch([3, 1, 4, 1, 5, 9, 2, 6])
    private let expected = TinyModel.llama().logits(TokenBatch([3, 1, 4, 1, 5, 9, 2, 6]))

    @Test("A checkpoint's model computes what the model that was saved does")
    func plain() throws {
        let loaded = try TinyFolder().load()
        #expect(try distance(loaded.model.logits(ids), expected) < 1e-6)
        #expect(loaded.report.quantized == [] && loaded.report.unused == [] && loaded.report.warnings == [])
        #expect(loaded.report.byteCount == loaded.report.byteCountBefore)
        #expect(loaded.model.trainableParameters().isEmpty)
    }

    @Test("What is quantized is copied from a checkpoint, large tensors in floating point stay in the file")
    func placesOfTensors() throws {
        let folder = try TemporaryFolder()
        let (count, device) = (1 << 20, Device.cpu)
        let tensors: [String: Tensor] = [
            "a.weight": Tensor([UInt8](repeating: 7, count: count), shape: [count]), "a.weight.absmax": .ones([count / 4]),
            "b.weight": .ones([count / 4]),
            "norm.weight": .ones([8]),
        ]
        try SafetensorsFile.write(tensors, to: "\(folder.path)/model.safetensors")
        let source = CheckpointSource(try Checkpoint(ModelFolder(path: folder.path)))
        for (name, byteCount) in [("a.weight", count), ("a.weight.absmax", count), ("b.weight", 0), ("norm.weight", 64)] {
            let before = device.allocatedByteCount
            let tensor = try #require(try source.tensor(name, on: device))
            #expect(device.allocatedByteCount - before == byteCount, "\(name)")
            #expect(try tensor.bytes() == tensors[name]?.bytes())
        }
    }

    @Test("Linear layers are quantized on the way, the head is not")
    func quantized() throws {
        let folder = try TinyFolder()
        let loaded = try folder.load(LoadOptions(quantization: .fourBit(.nf4)))
        #expect(loaded.report.quantized.count == 14)
        #expect(loaded.report.kept.map(\.path) == ["lm_head"])
        #expect(loaded.report.byteCount < loaded.report.byteCountBefore / 2)
        let reference = TinyModel.llama()
        try reference.replaceModules { path, module in
            guard let linear = module as? Linear, path != "lm_head" else { return nil }
            return try Linear4bit(linear)
        }
        #expect(try distance(loaded.model.logits(ids), reference.logits(ids)) < 1e-6)
        #expect(try distance(loaded.model.logits(ids), expected) > 1e-3)
    }

    @Test("In 8 bits, linear layers are those of LLM.int8() with the threshold that was asked for")
    func int8() throws {
        let loaded = try TinyFolder().load(LoadOptions(quantization: .int8(outlierThreshold: 4)))
        #expect(loaded.report.quantized.count == 14 && loaded.report.kept.map(\.path) == ["lm_head"] && loaded.report.warnings == [])
        let layers = loaded.model.namedModules().compactMap { $0.module as? Linear8bitLt }
        #expect(layers.count == 14 && layers.allSatisfy { $0.outlierThreshold == 4 && !$0.keepsFloat16Weights })
        #expect(loaded.report.byteCount < loaded.report.byteCountBefore / 2)
        let found = try distance(loaded.model.logits(ids), expected)
        #expect(found > 1e-5 && found < 3e-2)
    }

    @Test("A checkpoint in 8 bits computes what quantizing on loading does")
    func prequantizedInt8() throws {
        let loaded = try TinyFolder(quantized: .int8(outlierThreshold: 5)).load()
        #expect(loaded.report.quantized.count == 14 && loaded.report.unused == [] && loaded.report.warnings == [])
        #expect(loaded.model.namedModules().compactMap { ($0.module as? Linear8bitLt)?.outlierThreshold } == [Float](repeating: 5, count: 14))
        let same = try TinyFolder().load(LoadOptions(quantization: .int8(outlierThreshold: 5))).model
        #expect(try loaded.model.logits(ids).bytes() == same.logits(ids).bytes())
    }

    @Test("A checkpoint that keeps 16-bit weights beside 8 bits computes in 8 bits too")
    func keptWeights() throws {
        let text = TinyModel.configurationText(quantized: .int8(keepsFloat16Weights: true))
        let loaded = try TinyFolder(configuration: text).load()
        #expect(loaded.report.quantized.count == 14 && loaded.report.warnings == [])
        #expect(loaded.model.namedModules().compactMap { $0.module as? Linear8bitLt }.allSatisfy { $0.keepsFloat16Weights })
        let same = try TinyFolder().load(LoadOptions(quantization: .int8())).model
        #expect(try loaded.model.logits(ids).bytes() == same.logits(ids).bytes())
    }

    @Test("Weights that stay beside their codes are there to be trained, and count with the codes")
    func trainedWeights() throws {
        let loaded = try TinyFolder().load(LoadOptions(quantization: .int8(keepsFloat16Weights: true)))
        #expect(loaded.model.trainableParameters().count == 14)
        let layers = TinyModel.tensors.filter { $0.key.hasSuffix("proj.weight") }
        let codes = layers.reduce(0) { $0 + $1.value.count + 4 * $1.value.shape[0] }
        #expect(loaded.report.byteCount == loaded.report.byteCountBefore + codes)
    }

    @Test("A model computes as the checkpoint's settings say, else the caller's; a type that is asked for comes before both")
    func computeTypes() throws {
        func types(_ folder: TinyFolder, _ options: LoadOptions) throws -> [DType?] {
            let loaded = try folder.load(options)
            let types = Set(loaded.model.namedModules().compactMap { $0.module as? Linear4bit }.map(\.computeDType))
            #expect(types == [loaded.report.computeDType])
            return [types.first ?? nil, (loaded.model.head as? Linear)?.computeDType]
        }
        let stored = Quantization.fourBit(.nf4, computeDType: .bfloat16)
        let folder = try TinyFolder(quantized: stored)
        #expect(try types(folder, LoadOptions()) == [.bfloat16, .bfloat16])
        #expect(try types(folder, LoadOptions(quantization: .fourBit(.nf4, computeDType: .float16))) == [.bfloat16, .bfloat16])
        #expect(try types(folder, LoadOptions(computeDType: .float32)) == [.float32, .float32])
        let plain = try TinyFolder()
        #expect(try types(plain, LoadOptions(quantization: .fourBit(.nf4, computeDType: .float16))) == [.float16, .float16])
        #expect(try types(plain, LoadOptions(quantization: stored)) == [.bfloat16, .bfloat16])
        #expect(try types(plain, LoadOptions(quantization: stored, computeDType: .float32)) == [.float32, .float32])
        #expect(try types(plain, LoadOptions(quantization: .fourBit(.nf4), computeDType: .bfloat16)) == [.bfloat16, .bfloat16])
    }

    @Test(
        "Where nothing is said, products round to bfloat16 if the weights were saved in it, and else not at all",
        arguments: [("bfloat16", DType.bfloat16), ("float32", .float32), ("float16", .float32)])
    func usualTypes(saved: String, expected: DType) throws {
        let folder = try TinyFolder(configuration: TinyModel.configurationText(["dtype": "\"\(saved)\""]))
        for options in [LoadOptions(), LoadOptions(quantization: .fourBit(.nf4)), LoadOptions(quantization: .int8())] {
            #expect(try folder.load(options).model.policy == ComputePolicy(products: expected))
        }
        #expect(try folder.load(LoadOptions(quantization: .fourBit(.nf4, computeDType: .float32))).model.policy == .float32)
    }

    @Test("The cache takes the type of the activations unless it is asked for another")
    func activations() throws {
        var options = LoadOptions()
        options.activations = .bfloat16
        #expect(try TinyFolder().load(options).model.policy == ComputePolicy(activations: .bfloat16, cache: .bfloat16))
        options.cache = .float16
        #expect(try TinyFolder().load(options).model.policy == ComputePolicy(activations: .bfloat16, cache: .float16))
    }

    @Test("Offloading that is asked for and does nothing is reported")
    func offloading() throws {
        var section = BitsAndBytesConfig(.int8())
        section.offloadsInFloat32 = true
        let text = TinyModel.configurationText(["quantization_config": section.json.compactText])
        let report = try TinyFolder(configuration: text, tensors: TinyModel.quantizedTensors(.int8())).load().report
        #expect(report.warnings == ["llm_int8_enable_fp32_cpu_offload does nothing here: all layers are on one device"])
    }

    @Test("Layers that are quantized in another way than config.json says are loaded as they are, and both ways named")
    func undeclared() throws {
        let declared: [(Quantization?, String)] = [
            (nil, "config.json does not say so"), (.fourBit(.nf4), "config.json says nf4"), (.int8(), "config.json says llm_int8"),
        ]
        for (stored, format) in [(Quantization.int8(), "int8"), (.fourBit(.fp4), "fp4")] {
            for (declared, text) in declared where declared?.formatName != format {
                let configuration = TinyModel.configurationText(quantized: declared)
                let report = try TinyFolder(configuration: configuration, tensors: TinyModel.quantizedTensors(stored)).load().report
                #expect(report.quantized.count == 14 && report.warnings.count == 1)
                let expected = "14 layers are \(format) in the checkpoint, though \(text); they are loaded as they are: "
                #expect(report.warnings.first?.hasPrefix(expected) == true)
            }
        }
    }

    @Test("A skip list replaces the default, and what matches nothing is reported")
    func skips() throws {
        let skipping = ["model.layers.0", "down_proj", "no_such_layer"]
        let loaded = try TinyFolder().load(LoadOptions(quantization: .fourBit(.fp4), skipping: skipping))
        let one = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj"]
        #expect(loaded.report.quantized.map(\.path).sorted() == (one.map { "model.layers.1.\($0)" } + ["lm_head"]).sorted())
        #expect(loaded.report.unmatchedSkips == ["no_such_layer"])
        #expect(loaded.report.warnings.contains { $0.contains("no_such_layer") })
    }

    @Test("Block size and compute type are those that were asked for")
    func options() throws {
        let options = LoadOptions(quantization: .fourBit(.nf4, blockSize: .b256), computeDType: .bfloat16)
        let modules = try TinyFolder().load(options).model.namedModules().compactMap { $0.module as? Linear4bit }
        #expect(modules.count == 14)
        #expect(modules.allSatisfy { $0.weight.state.blockSize == .b256 && $0.computeDType == .bfloat16 })
    }

    @Test("A checkpoint that is quantized already loads as it is, whatever is asked for", arguments: [false, true])
    func prequantized(doubleQuantization: Bool) throws {
        let folder = try TinyFolder(quantized: .fourBit(.fp4, doubleQuantization: doubleQuantization))
        let loaded = try folder.load(LoadOptions(quantization: .fourBit(.nf4)))
        #expect(loaded.report.quantized.count == 14 && loaded.report.unused == [])
        #expect(loaded.report.warnings == ["the checkpoint is quantized already (fp4) and stays so; the quantization asked for does nothing"])
        #expect(try folder.load().report.warnings == [])
        let same = try TinyFolder().load(LoadOptions(quantization: .fourBit(.fp4, doubleQuantization: doubleQuantization))).model
        #expect(try distance(loaded.model.logits(ids), same.logits(ids)) < 1e-6)
    }

    @Test("Layers that config.json calls quantized and the checkpoint holds plain are quantized on loading, and named")
    func unpacked() throws {
        let quantization = Quantization.fourBit(.nf4)
        let text = TinyModel.configurationText(quantized: quantization)
        var tensors = try TinyModel.quantizedTensors(quantization)
        let name = "model.layers.1.mlp.up_proj"
        for key in tensors.keys where key.hasPrefix("\(name).") { tensors[key] = nil }
        tensors["\(name).weight"] = TinyModel.tensors["\(name).weight"]
        let loaded = try TinyFolder(configuration: text, tensors: tensors).load()
        #expect(loaded.report.quantized.filter { !$0.wasQuantized }.map(\.path) == [name] && loaded.report.quantized.count == 14)
        #expect(loaded.report.warnings.contains { $0.hasPrefix("1 layers are not quantized in the checkpoint") && $0.hasSuffix(name) })
    }

    @Test("Progress grows to the whole", arguments: [nil, Quantization.fourBit(.nf4)])
    func progress(quantization: Quantization?) throws {
        var shares: [Double] = []
        let folder = try TinyFolder()
        _ = try LoadedModel(ModelFolder(path: folder.path), options: LoadOptions(quantization: quantization)) { shares.append($0) }
        #expect(shares.count > 14 && shares.last == 1)
        #expect(zip(shares, shares.dropFirst()).allSatisfy { $0 < $1 })
    }

    @Test("A weight that is NaN or infinite is quantized by the rule, and reported with its layer")
    func notFinite() throws {
        var tensors = TinyModel.tensors
        let name = "model.layers.1.mlp.up_proj"
        var values = try #require(tensors["\(name).weight"]).floats()
        values[7] = .nan
        values[8] = .infinity
        tensors["\(name).weight"] = Tensor(values, shape: [48, 32])
        let loaded = try TinyFolder(tensors: tensors).load(LoadOptions(quantization: .fourBit(.nf4)))
        #expect(loaded.report.nonFinite.map(\.path) == [name])
        #expect(loaded.report.nonFinite.map(\.nonFiniteCount) == [2])
        #expect(loaded.report.warnings.contains { $0.hasPrefix("\(name): 2 weights") })
    }

    @Test("Tensors that the model did not ask for are reported")
    func unused() throws {
        var tensors = TinyModel.tensors
        tensors["model.vision.weight"] = Tensor([Float]([1]))
        tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = Tensor([Float]([1]))
        let report = try TinyFolder(tensors: tensors).load().report
        #expect(report.unused == ["model.vision.weight"])
        #expect(report.warnings.contains { $0.contains("model.vision.weight") })
    }

    @Test(
        "A model loads onto a device whose memory the host cannot touch, and leaves nothing there",
        arguments: [.fourBit(.nf4), .int8()] as [Quantization])
    func otherDevice(quantization: Quantization) throws {
        let device = Device.deferred()
        do {
            var options = LoadOptions(quantization: quantization)
            options.device = device
            let loaded = try TinyFolder().load(options)
            let onProcessor = try TinyFolder().load(LoadOptions(quantization: quantization)).model
            let logits = loaded.model.logits(TokenBatch([3, 1, 4, 1, 5, 9, 2, 6], device: device))
            // Sums in another order may make an activation's code one apart.
            #expect(try distance(logits, onProcessor.logits(ids)) < (quantization == .int8() ? 1e-2 : 1e-5))
            #expect(device.allocatedByteCount < loaded.report.byteCountBefore)
        }
        try device.synchronize()
        #expect(device.allocatedByteCount == 0)
    }
}

extension TinyModel {
    /// The checkpoint that bitsandbytes would save after loading ``tensors`` by `quantization`.
    static func quantizedTensors(_ quantization: Quantization) throws -> [String: Tensor] {
        var result: [String: Tensor] = [:]
        for (name, tensor) in tensors {
            guard name.hasSuffix("proj.weight") else {
                result[name] = tensor
                continue
            }
            let packed = try tensor.quantized(as: quantization)
            for (entry, tensor) in try packed.entries(named: "weight") { result[name.replacing("proj.weight", with: "proj.\(entry)")] = tensor }
        }
        return result
    }

    /// `config.json` of a checkpoint that says to be quantized like this.
    static func configurationText(quantized quantization: Quantization?) -> String {
        configurationText(quantization.map { ["quantization_config": BitsAndBytesConfig($0).json.compactText] } ?? [:])
    }
}

extension TinyFolder {
    /// With the checkpoint that bitsandbytes would save.
    convenience init(quantized quantization: Quantization) throws {
        try self.init(
            configuration: TinyModel.configurationText(quantized: quantization), tensors: TinyModel.quantizedTensors(quantization))
    }
}
