import BitsCore
import BitsIO
import BitsModels
import BitsTune
import CLexicon
import Testing
import _BitsTestSupport

/// What is read of an adapter's files, and what is refused.
@Suite("Adapter files")
struct AdapterFileTests {
    private func configuration(_ changes: String) throws -> LoRAConfiguration {
        let text = #"{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"], \#(changes)}"#
        guard case .object(let given) = try JSONValue(parsing: Array(text.utf8)) else { throw ModelFileError.malformed(path: "", "") }
        return try LoRAConfiguration(ConfigurationFields(given, path: "adapter_config.json"))
    }

    @Test("Starts that leave the base model as it is are read", arguments: ["null", "true", "false", #""gaussian""#, #""eva""#, #""orthogonal""#])
    func plainStarts(start: String) throws {
        #expect(try configuration(#""init_lora_weights": \#(start)"#).rank == 2)
    }

    @Test("Starts that change the base model as nothing here can are refused by name", arguments: ["corda", "lora_ga", "pissa_niter_x", "warm"])
    func otherStarts(start: String) {
        let error = #expect(throws: ModelFileError.self) { try configuration(#""init_lora_weights": "\#(start)""#) }
        #expect(error.map { "\($0)".contains(#"init_lora_weights "\#(start)", which is not implemented"#) } == true)
    }

    @Test("An alpha that is no finite number is refused", arguments: ["Infinity", "NaN", "1e300"])
    func alpha(value: String) {
        let error = #expect(throws: ModelFileError.self) { try configuration(#""lora_alpha": \#(value)"#) }
        #expect(error.map { "\($0)".contains("lora_alpha") } == true)
    }

    @Test("What is read of an adapter's file is counted as an adapter's, not as the model's weights")
    func memory() throws {
        let folder = try TemporaryFolder()
        var generator = RandomGenerator(seed: 1)
        try Adapter(on: TinyTraining(on: .cpu).model, LoRAConfiguration(rank: 4), using: &generator).save(to: "\(folder.path)/adapter")
        let model = try TinyTraining(on: .cpu).model
        let before = Device.cpu.memory.live
        let adapter = try Adapter(ModelFolder(path: "\(folder.path)/adapter"), on: model)
        let after = Device.cpu.memory.live
        #expect(after[.adapters] - before[.adapters] >= 4 * adapter.parameterCount && after[.weights] == before[.weights])
    }

    @Test("An adapter with a very large alpha is saved, and one that does not fit is refused with every shape")
    func files() throws {
        clexicon_link()
        let model = try LoadedModel(ModelFolder("lexicon-5m")).model
        let folder = try TemporaryFolder()
        var generator = RandomGenerator(seed: 1)
        let adapter = try Adapter(on: model, LoRAConfiguration(rank: 2, alpha: 1e30, targets: .named(["q_proj"])), using: &generator)
        try adapter.save(to: "\(folder.path)/adapter")
        let saved = try ModelFolder(path: "\(folder.path)/adapter")
        #expect(try LoRAConfiguration(ConfigurationFields(saved.file("adapter_config.json"))).alpha == 1e30)

        try folder.write(#"{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": "all-linear"}"#, as: "other/adapter_config.json")
        let name = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
        try SafetensorsFile.write([name: Tensor.zeros([0, 1 << 40])], to: "\(folder.path)/other/adapter_model.safetensors")
        let fresh = try LoadedModel(ModelFolder("lexicon-5m")).model
        let error = #expect(throws: ModelFileError.self) { try Adapter(ModelFolder(path: "\(folder.path)/other"), on: fresh) }
        let text = error.map { "\($0)" } ?? ""
        #expect(text.contains("'\(name)' is F32 [0, 1099511627776], the model asks for floating point [2, 256]"))
        #expect(text.contains("and 64 more"))  // 42 layers of two factors are 84 problems, of which 20 are listed
    }
}
