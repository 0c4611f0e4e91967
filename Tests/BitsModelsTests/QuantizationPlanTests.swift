import BitsCheckpoints
import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsQuant
import BitsSystem
import Testing
import _BitsTestSupport

/// Files that say what each layer of a model becomes.
@Suite("Plans of quantization")
struct QuantizationPlanTests {
    private static let folder = "\(ParityCases.folder)/models/llama/model"
    private static let mix: [Quantization?] = [
        .fourBit(.nf4), .fourBit(.fp4, blockSize: .b128, doubleQuantization: false), .fourBit(.nf4, doubleQuantization: false), nil,
        .fourBit(.nf4, blockSize: .b32), .int8(outlierThreshold: 0.5),
    ]

    /// A plan for the recorded model with all forms in it, embedding and head as they are.
    private func plan() throws -> QuantizationPlan {
        let layers = ModelPlan(try ModelRegistry.model(ModelConfiguration(ModelFolder(path: Self.folder)))).layers
        return QuantizationPlan(
            modelType: "llama",
            layers: layers.enumerated().map {
                .init(path: $1.path, shape: $1.weight.shape, form: $1.role == .linear ? Self.mix[$0 % Self.mix.count] : nil)
            })
    }

    @Test("A plan is read as it was written")
    func roundTrip() throws {
        let (plan, scratch) = (try plan(), try TemporaryFolder())
        try plan.json.write(to: "\(scratch.path)/plan.json")
        let read = try QuantizationPlan(path: "\(scratch.path)/plan.json")
        #expect(read.modelType == plan.modelType && read.layers == plan.layers)
        try read.check(ModelConfiguration(ModelFolder(path: Self.folder)))
    }

    @Test("Loading by a plan, quantizing by it in memory and its checkpoint read back are one model")
    func applied() throws {
        let (plan, scratch) = (try plan(), try TemporaryFolder())
        let folder = try ModelFolder(path: Self.folder)
        let tokens = TokenBatch([3, 1, 4, 1, 5, 9, 2, 6, 5, 35])
        func logits(_ model: CausalLanguageModel) throws -> [Float] { try noGradient { model.logits(tokens) }.floats() }
        let loaded = try LoadedModel(folder, options: LoadOptions(plan.quantization()))
        let memory = try LoadedModel(folder)
        try memory.model.quantize(plan.quantization())
        let report = try CheckpointQuantizer(folder, to: plan.quantization()).write(to: "\(scratch.path)/files")
        #expect(report.quantized.map(\.path) == plan.layers.filter { $0.form != nil }.map(\.path))
        let files = try LoadedModel(ModelFolder(path: "\(scratch.path)/files"))
        try loaded.save(to: "\(scratch.path)/saved")
        let saved = try LoadedModel(ModelFolder(path: "\(scratch.path)/saved"))
        for (path, module) in files.model.namedModules() where module is any LinearLayer {
            let wanted = plan.layers.first { $0.path == path }?.form
            #expect(module.quantization?.name == wanted?.name && module.quantization?.blockSize == wanted?.blockSize, "\(path)")
        }
        // The entries of a layer in 8 bits do not tell its threshold; config.json does, though most layers are in 4.
        for model in [files.model, saved.model] {
            let thresholds = Set(model.namedModules().compactMap { ($0.module as? Linear8bitLt)?.outlierThreshold })
            #expect(thresholds == [0.5])
        }
        #expect(
            files.report.notes.count == 1 && files.report.notes[0].contains("layers are fp4 or int8 in the checkpoint, though config.json says nf4"))
        let expected = try logits(memory.model)
        #expect(try logits(loaded.model) == expected)
        #expect(try logits(files.model) == expected)
        #expect(try logits(saved.model) == expected)
    }

    @Test("A checkpoint has one threshold for layers in 8 bits; a plan with two of them is refused where it is written, and loads all the same")
    func thresholds() throws {
        let (plan, scratch, folder) = (try plan(), try TemporaryFolder(), try ModelFolder(path: Self.folder))
        var layers = plan.layers
        let index = try #require(layers.lastIndex { $0.form == .int8(outlierThreshold: 0.5) })
        layers[index] = .init(path: layers[index].path, shape: layers[index].shape, form: .int8())
        let quantization = QuantizationPlan(modelType: "llama", layers: layers).quantization()
        let written = #expect(throws: ModelFileError.self) { try CheckpointQuantizer(folder, to: quantization) }
        let loaded = try LoadedModel(folder, options: LoadOptions(quantization))
        let saved = #expect(throws: ModelFileError.self) { try loaded.save(to: "\(scratch.path)/saved") }
        for error in [written, saved] {
            #expect("\(try #require(error))".contains("outlier thresholds 0.5 and 6.0, of which config.json can say one"))
        }
        #expect(try scratch.names == [])
    }

    @Test(
        "A plan that is none, or is not for the model, is refused with what is wrong",
        arguments: [
            ("{", "ends where"), ("[]", "an object was expected"), ("{}", "has no 'version'"), (#"{"version": 2}"#, "a plan of version 2"),
            (#"{"version": 1, "model_type": "llama"}"#, "has no 'layers'"),
            (#"{"version": 1, "model_type": "llama", "layers": {"a": 3}}"#, "needs an object as 'layers.a'"),
            (#"{"version": 1, "model_type": "llama", "layers": {"a": null}}"#, "has null as 'layers.a'"),
            (#"{"version": 1, "model_type": "llama", "layers": {"a": {"shape": [1, 1]}}}"#, "has no 'layers.a.form'"),
            (#"{"version": 1, "model_type": "llama", "layers": {"a": {"form": "keep"}}}"#, "has no 'layers.a.shape'"),
            (
                #"{"version": 1, "model_type": "llama", "layers": {"a": {"form": "nf5", "shape": [1, 1]}}}"#,
                "the form 'nf5' for 'a'; did you mean 'nf4'?"
            ),
            (
                #"{"version": 1, "model_type": "llama", "layers": {"a": {"form": "nf4", "block_size": 48, "shape": [1, 1]}}}"#,
                "a block_size of 48 for 'a'"
            ),
            (
                #"{"version": 1, "model_type": "llama", "layers": {"a": {"form": "int8", "outlier_threshold": -1, "shape": [1, 1]}}}"#,
                "an outlier_threshold of -1"
            ),
        ])
    func broken(text: String, reason: String) throws {
        let scratch = try TemporaryFolder()
        let path = try scratch.write(text, as: "plan.json")
        let error = try #require(throws: ModelFileError.self) { try QuantizationPlan(path: path) }
        #expect("\(error)".contains(reason) && "\(error)".hasPrefix(path), "\(error)")
    }

    @Test("Layers that are unknown, missing or of another shape are all named, and so is another kind of model")
    func foreign() throws {
        let (plan, configuration) = (try plan(), try ModelConfiguration(ModelFolder(path: Self.folder)))
        var layers = plan.layers
        let missing = layers.removeLast()
        layers.append(.init(path: "model.layers.7.mlp.up_proj", shape: [4, 4], form: nil))
        layers[1] = .init(path: layers[1].path, shape: [1, 2], form: nil)
        let error = #expect(throws: ModelFileError.self) { try QuantizationPlan(modelType: "llama", layers: layers).check(configuration) }
        let text = "\(try #require(error))"
        for part in ["no layer 'model.layers.7.mlp.up_proj'", "'\(layers[1].path)' has the shape", "'\(missing.path)' is missing from the plan"] {
            #expect(text.contains(part), "\(text)")
        }
        let other = #expect(throws: ModelFileError.self) { try QuantizationPlan(modelType: "gpt2", layers: plan.layers).check(configuration) }
        #expect("\(try #require(other))".contains("is for a model of type 'gpt2', not 'llama'"))
    }
}
