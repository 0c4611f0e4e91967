import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsQuant
import BitsSystem
import BitsTune
import Testing
import _BitsTestSupport

/// Adapters whose files are damaged, or of another model: one error that says what is wrong, and a model as it was.
@Suite("Adapters that do not fit")
struct AdapterFaultTests {
    private let scratch: TemporaryFolder

    /// An adapter of the tiny model on its query projections, saved.
    init() throws {
        scratch = try TemporaryFolder()
        let model = try TinyTraining(on: .cpu).model
        var generator = RandomGenerator(seed: 1)
        var configuration = LoRAConfiguration(rank: 2, targets: .named(["q_proj"]))
        configuration.isWeightDecomposed = true
        try Adapter(on: model, configuration, using: &generator).save(to: "\(scratch.path)/adapter")
    }

    /// What loading the adapter onto `model` says, which has to stay as it is.
    private func problem(on model: CausalLanguageModel? = nil) throws -> String {
        let model = try model ?? TinyTraining(on: .cpu).model
        let before = model.namedParameters().map(\.path)
        let error = #expect(throws: ModelFileError.self) { try Adapter(ModelFolder(path: "\(scratch.path)/adapter"), on: model) }
        #expect(model.namedParameters().map(\.path) == before)
        return error.map { "\($0)" } ?? ""
    }

    /// Writes the adapter's tensors anew.
    private func change(_ change: (inout [String: Tensor]) throws -> Void) throws {
        let checkpoint = try Checkpoint(ModelFolder(path: "\(scratch.path)/adapter"), name: "adapter_model")
        var tensors: [String: Tensor] = [:]
        for name in checkpoint.names { tensors[name] = try checkpoint.tensor(name, inPlace: false) }
        try change(&tensors)
        try SafetensorsFile.write(tensors, to: "\(scratch.path)/adapter/adapter_model.safetensors")
    }

    private func changeConfiguration(_ key: String, _ value: JSONValue) throws {
        let path = "\(scratch.path)/adapter/adapter_config.json"
        guard case .object(var object) = try JSONValue(MappedFile(path: path)) else { return }
        object[key] = value
        try JSONValue.object(object).write(to: path)
    }

    private static let name = "base_model.model.model.layers.0.self_attn.q_proj"

    @Test("NaN and infinities are named", arguments: [Float.nan, .infinity])
    func notFinite(value: Float) throws {
        try change { $0["\(AdapterFaultTests.name).lora_magnitude_vector"] = Tensor([Float](repeating: 1, count: 31) + [value]) }
        #expect(try problem().contains("'\(AdapterFaultTests.name).lora_magnitude_vector' holds NaN or infinities"))
    }

    @Test("Entries that are missing, too many, or not of floating point are named")
    func entries() throws {
        try change {
            $0["\(AdapterFaultTests.name).lora_A.weight"] = nil
            $0["\(AdapterFaultTests.name).lora_B.weight"] = Tensor([Int32](repeating: 0, count: 64), shape: [32, 2])
            $0["base_model.model.model.layers.7.self_attn.q_proj.lora_A.weight"] = .zeros([2, 32])
        }
        let problem = try problem()
        #expect(problem.contains("'\(AdapterFaultTests.name).lora_A.weight' is missing"))
        #expect(problem.contains("'\(AdapterFaultTests.name).lora_B.weight' is I32 [32, 2], the model asks for floating point [32, 2]"))
        #expect(problem.contains("1 tensors belong to no layer of the model: base_model.model.model.layers.7"))
    }

    @Test("A file that was cut off is refused, and so is one that is not there")
    func truncated() throws {
        let path = "\(scratch.path)/adapter/adapter_model.safetensors"
        let bytes = try MappedFile(path: path).bytes(in: 0..<200)
        try AtomicFile.write(bytes, to: path)
        #expect(try problem().contains("adapter_model.safetensors"))
        let configuration = try MappedFile(path: "\(scratch.path)/adapter/adapter_config.json")
        try scratch.write(String(decoding: configuration.bytes(in: 0..<configuration.byteCount), as: UTF8.self), as: "bare/adapter_config.json")
        let error = #expect(throws: ModelFileError.self) {
            try Adapter(ModelFolder(path: "\(scratch.path)/bare"), on: TinyTraining(on: .cpu).model)
        }
        #expect(error.map { "\($0)".contains("has no adapter_model.safetensors") } == true)
    }

    @Test("An adapter of a model of other sizes, or with other names, is refused with both")
    func otherModel() throws {
        let wide = Llama.languageModel(LlamaConfiguration(vocabularySize: 50, width: 64, innerWidth: 64, layers: 2, heads: 4))
        #expect(try problem(on: wide).contains("is F32 [2, 32], the model asks for floating point [2, 64]"))
        try changeConfiguration("target_modules", ["query_key_value"])
        #expect(try problem().contains("no linear layer or embedding is called query_key_value"))
    }

    @Test("An adapter of a model of the same shapes is loaded, and doubted; one that says nothing of its model is not")
    func otherVectors() throws {
        func doubt(_ vectors: Float) throws -> String? {
            let model = try TinyTraining(on: .cpu).model
            let table = try #require(model.backbone.embedding as? Embedding)
            table.weight.value = table.weight.value * vectors
            return try Adapter(ModelFolder(path: "\(scratch.path)/adapter"), on: model).doubt
        }
        #expect(try doubt(1) == nil)
        #expect(try doubt(2)?.contains("was trained on another model, whose token vectors differ from this one's") == true)
        try change { _ in }  // writes no metadata but what everybody does
        #expect(try doubt(2) == nil)
    }

    @Test(
        "Kinds that are not implemented are refused by name",
        arguments: [
            ("peft_type", "LOHA", "has peft_type 'LOHA'"), ("use_qalora", true, "sets 'use_qalora'"),
            ("target_parameters", ["x"], "sets 'target_parameters'"),
            ("trainable_token_indices", [1, 2], "sets 'trainable_token_indices'"), ("alora_invocation_tokens", [3], "sets 'alora_invocation_tokens'"),
            ("bias", "some", "has bias 'some'"), ("init_lora_weights", "corda", "has init_lora_weights \"corda\""),
            ("rank_pattern", ["q_proj": 0], "needs a whole number from 1 as 'rank_pattern.q_proj'"),
            ("alpha_pattern", ["q_proj": "x"], "needs a number as 'alpha_pattern.q_proj'"), ("layers_to_transform", "all", "'layers_to_transform'"),
            ("target_modules", "(q_proj", "is no regular expression"), ("lora_dropout", 1.0, "has lora_dropout"),
            ("lora_bias", true, "not both"),
        ] as [(String, JSONValue, String)])
    func kinds(key: String, value: JSONValue, reason: String) throws {
        try changeConfiguration(key, value)
        #expect(try problem().contains(reason))
    }

    @Test("An adapter that makes up for quantization is refused on a model that is not quantized")
    func loftQ() throws {
        try changeConfiguration("init_lora_weights", "loftq")
        let model = try TinyTraining(on: .cpu).model
        _ = try Adapter(ModelFolder(path: "\(scratch.path)/adapter"), on: model)
        let plain = Llama.languageModel(
            LlamaConfiguration(vocabularySize: 50, width: 32, innerWidth: 64, layers: 2, heads: 4, keyValueHeads: 2), tiesEmbeddings: true)
        #expect(try problem(on: plain).contains("'model.layers.0.self_attn.q_proj' has to be in 4 bits"))
    }
}
