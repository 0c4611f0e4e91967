import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsQuant
import Testing

@Suite("Models that cannot be loaded")
struct LoadingErrorTests {
    @Test(
        "A needed field that is missing is named",
        arguments: ["model_type", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"])
    func missingField(field: String) throws {
        let problem = try #require(try TinyFolder(configuration: TinyModel.configurationText([field: nil])).problem())
        #expect(problem.contains("config.json") && problem.contains("'\(field)'"))
    }

    @Test(
        "A field that makes no sense is an error that says so",
        arguments: [
            ("hidden_size", "33", "does not divide"), ("num_attention_heads", "5", "does not divide"),
            ("num_key_value_heads", "3", "does not divide"),
            ("num_attention_heads", "0", "num_attention_heads"), ("hidden_size", "-32", "hidden_size"), ("hidden_size", "\"32\"", "a whole number"),
            ("num_hidden_layers", "2.5", "a whole number"), ("head_dim", "7", "even"), ("model_type", "\"mamba\"", "llama"),
            ("hidden_act", "\"swish7\"", "silu"), ("rope_scaling", "{\"rope_type\": \"xpos\", \"factor\": 4}", "llama3"),
            ("rope_scaling", "{\"rope_type\": \"llama3\", \"factor\": 4}", "low_freq_factor"), ("rope_scaling", "[1]", "an object"),
            ("num_hidden_layers", "1000000000000", "num_hidden_layers"), ("vocab_size", "1099511627776", "vocab_size"),
            ("hidden_size", "1099511627776", "hidden_size"), ("head_dim", "1099511627776", "head_dim"),
            ("max_position_embeddings", "0", "max_position_embeddings"), ("rms_norm_eps", "NaN", "above 0 as 'rms_norm_eps'; it has nan"),
            ("rms_norm_eps", "0", "rms_norm_eps"), ("rope_theta", "-1", "above 0 as 'rope_theta'; it has -1"), ("rope_theta", "1e300", "it has inf"),
            ("rope_parameters", "{\"rope_theta\": 0}", "'rope_parameters.rope_theta'; it has 0"),
            ("rope_scaling", "{\"rope_type\": \"linear\", \"factor\": 0}", "'rope_scaling.factor'; it has 0"),
            (
                "rope_scaling", "{\"rope_type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 4, \"high_freq_factor\": 4}",
                "low_freq_factor 4.0, which is not below high_freq_factor 4.0"
            ),
        ])
    func senselessField(field: String, value: String, expected: String) throws {
        let problem = try #require(try TinyFolder(configuration: TinyModel.configurationText([field: value])).problem())
        #expect(problem.contains(expected))
    }

    @Test("Fields that may be absent have the defaults of transformers")
    func defaults() throws {
        let text = TinyModel.configurationText(["num_key_value_heads": nil, "max_position_embeddings": nil, "rope_theta": "500"])
        let folder = try TinyFolder(configuration: text)
        let configuration = try LlamaConfiguration(ModelConfiguration(ModelFolder(path: folder.path)))
        #expect(configuration.keyValueHeads == 4)
        #expect(configuration.contextLength == 2048)
        #expect(configuration.rotary.theta == 500)
        #expect(configuration.headWidth == 8)
    }

    @Test("All tensors that are missing, of the wrong shape or of the wrong type are named at once")
    func wrongTensors() throws {
        var tensors = TinyModel.tensors
        tensors["model.norm.weight"] = nil
        tensors["model.layers.0.self_attn.k_proj.weight"] = nil
        tensors["model.layers.1.self_attn.q_proj.bias"] = nil
        tensors["model.layers.1.mlp.up_proj.weight"] = Tensor.ones([32, 48])
        tensors["model.embed_tokens.weight"] = Tensor.ones([41, 32])
        tensors["lm_head.weight"] = Tensor([UInt8](repeating: 1, count: 40 * 32), shape: [40, 32])
        let problem = try #require(try TinyFolder(tensors: tensors).problem())
        let expected = [
            "'model.norm.weight' [32] is missing", "'model.layers.0.self_attn.k_proj.weight' [16, 32] is missing",
            "'model.layers.1.self_attn.q_proj.bias' [32] is missing",
            "'model.layers.1.mlp.up_proj.weight' is float32 [32, 48], not floating point [48, 32]",
            "'model.embed_tokens.weight' is float32 [41, 32], not floating point [40, 32]",
            "'lm_head.weight' is uint8 [40, 32], not floating point [40, 32]",
        ]
        for text in expected { #expect(problem.contains(text), "\(text)") }
        #expect(problem.split(separator: "\n").count == 1 + expected.count)
    }

    @Test("Of very many problems the first are listed and the rest counted")
    func manyProblems() throws {
        let problem = try #require(try TinyFolder(tensors: ["lm_head.weight": Tensor.ones([40, 32])]).problem())
        // Embedding, norm, and 13 entries of each of two layers with biases.
        #expect(problem.contains("and \(2 + 2 * 13 - 20) more"))
    }

    @Test("A folder without a checkpoint, or without config.json, is an error that says what to name")
    func missingFiles() throws {
        #expect(try #require(try TinyFolder(tensors: nil).problem()).contains("model.safetensors"))
        #expect(throws: ModelFileError.self) { try LoadedModel(ModelFolder("./no-such-folder")) }
    }

    @Test("Codes that the bytes of a layer do not fill are refused with the layer's name")
    func storage() throws {
        let options = LoadOptions(quantization: .fourBit(.nf4, blockSize: .b32, doubleQuantization: false, storage: .float32))
        let text = TinyModel.configurationText(["hidden_size": "6", "head_dim": "2", "intermediate_size": "1", "attention_bias": "false"])
        let shapes = [
            "q_proj": [8, 6], "k_proj": [4, 6], "v_proj": [4, 6], "o_proj": [6, 8], "gate_proj": [1, 6], "up_proj": [1, 6], "down_proj": [6, 1],
        ]
        var tensors = ["model.embed_tokens.weight": Tensor.ones([40, 6]), "model.norm.weight": .ones([6]), "lm_head.weight": .ones([40, 6])]
        for layer in 0..<2 {
            for norm in ["input_layernorm", "post_attention_layernorm"] { tensors["model.layers.\(layer).\(norm).weight"] = .ones([6]) }
            for (name, shape) in shapes {
                tensors["model.layers.\(layer).\(name.hasSuffix("p_proj") || shape.contains(1) ? "mlp" : "self_attn").\(name).weight"] = .ones(shape)
            }
        }
        let folder = try TinyFolder(configuration: text, tensors: tensors)
        #expect(folder.problem() == nil)
        let problem = try #require(folder.problem(options))
        #expect(problem.contains("'model.layers.0.mlp.gate_proj.weight': 3 bytes of 4-bit codes"))
        #expect(problem.split(separator: "\n").count == 1 + 6)
    }
}

@Suite("4-bit checkpoints that cannot be loaded")
struct QuantizedLoadingErrorTests {
    private static let layer = "model.layers.0.mlp.up_proj.weight"
    private static let state = ".quant_state.bitsandbytes__nf4"

    /// What loading says of a checkpoint in which `change` changed the entries of one layer, by suffix.
    private func problem(doubleQuantization: Bool = true, _ change: (inout [String: Tensor]) throws -> Void) throws -> String {
        let quantization = Quantization.fourBit(.nf4, doubleQuantization: doubleQuantization)
        var tensors = try TinyModel.quantizedTensors(quantization)
        let layer = QuantizedLoadingErrorTests.layer
        var entries: [String: Tensor] = [:]
        for (name, tensor) in tensors where name == layer || name.hasPrefix("\(layer).") { entries[String(name.dropFirst(layer.count))] = tensor }
        for suffix in entries.keys { tensors[layer + suffix] = nil }
        try change(&entries)
        for (suffix, tensor) in entries { tensors[layer + suffix] = tensor }
        let text = TinyModel.configurationText(quantized: quantization)
        let problem = try TinyFolder(configuration: text, tensors: tensors).problem() ?? "nothing"
        // One layer is wrong, so there is one line that says so, with its name.
        #expect(problem == "nothing" || problem.split(separator: "\n").count == 2 && problem.contains("'\(layer)'"))
        return problem
    }

    private func problem(state text: String) throws -> String {
        try problem { $0[QuantizedLoadingErrorTests.state] = Tensor(Array(text.utf8)) }
    }

    private func stateText(_ changes: [String: String] = [:]) -> String {
        var fields = [
            "quant_type": "\"nf4\"", "blocksize": "64", "dtype": "\"float32\"", "shape": "[48, 32]", "nested_blocksize": "256",
            "nested_dtype": "\"float32\"", "nested_offset": "0.5",
        ]
        fields.merge(changes) { $1 }
        return "{\(fields.map { "\"\($0.key)\": \($0.value)" }.joined(separator: ", "))}"
    }

    @Test("The entries as they should be load")
    func control() throws {
        #expect(try problem { _ in } == "nothing")
        #expect(try problem(doubleQuantization: false) { _ in } == "nothing")
        #expect(try problem(state: stateText()) == "nothing")
    }

    @Test("A missing entry is named", arguments: ["", ".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map", state])
    func missing(suffix: String) throws {
        let problem = try problem { $0[suffix] = nil }
        #expect(problem.contains(suffix.isEmpty ? "weight" : String(suffix.dropFirst())) && problem.contains("missing"))
    }

    @Test("A broken quant_state is an error that says what is broken")
    func brokenState() throws {
        #expect(try problem(state: "").contains("quant_state"))
        #expect(try problem(state: "{\"quant_type\": \"nf4\"").contains("not JSON"))
        #expect(try problem(state: "[]").contains("quant_state"))
        #expect(try problem(state: "{}").contains("quant_type"))
        #expect(try problem(state: stateText(["blocksize": "0"])).contains("block size 0"))
        #expect(try problem(state: stateText(["blocksize": "-64"])).contains("block size -64"))
        #expect(try problem(state: stateText(["blocksize": "100"])).contains("block size 100"))
        #expect(try problem(state: stateText(["nested_blocksize": "0"])).contains("block size 0"))
        #expect(try problem(state: stateText(["blocksize": "\"64\""])).contains("blocksize"))
        #expect(try problem(state: stateText(["quant_type": "\"fp4\""])).contains("quant_type"))
        #expect(try problem(state: stateText(["quant_type": "\"int3\""])).contains("int3"))
        #expect(try problem(state: stateText(["dtype": "\"int8\""])).contains("int8"))
        #expect(try problem(state: stateText(["shape": "[48, -32]"])).contains("shape"))
        #expect(try problem(state: stateText(["shape": "[4611686018427387904, 4]"])).contains("shape"))
        #expect(try problem(state: stateText(["shape": "[32, 48]"])).contains("[32, 48]"))
        #expect(try problem(state: stateText(["shape": "[48, 33]"])).contains("bytes"))
    }

    @Test("Scales of the wrong number or type are an error with both numbers")
    func wrongScales() throws {
        // 1,536 elements are 24 blocks of 64, and those one block of 256.
        #expect(try problem { $0[".absmax"] = Tensor([UInt8](repeating: 1, count: 23)) }.contains("uint8 [24], not uint8 [23]"))
        #expect(try problem { $0[".absmax"] = .ones([24]) }.contains("not float32 [24]"))
        #expect(try problem { $0[".nested_absmax"] = .ones([2]) }.contains("float32 [1], not float32 [2]"))
        #expect(try problem { $0[".nested_quant_map"] = .ones([255]) }.contains("float32 [256], not float32 [255]"))
        #expect(try problem { $0[".quant_map"] = .ones([15]) }.contains("float32 [16], not float32 [15]"))
        #expect(try problem(doubleQuantization: false) { $0[".absmax"] = .ones([25]) }.contains("float32 [24], not float32 [25]"))
        #expect(try problem { $0[""] = Tensor([UInt8](repeating: 1, count: 767), shape: [767, 1]) }.contains("768 bytes, not 767"))
    }

    @Test(
        "Scales that are negative or not finite, and codes that stand for nothing finite, are an error with the number",
        arguments: [Float.nan, .infinity, -1])
    func senselessScales(value: Float) throws {
        func spoiled(_ count: Int) -> Tensor { Tensor((0..<count).map { $0 == 1 || count == 1 ? value : 1 }) }
        let scale = "of the quantized tensor should be finite and not negative, not \(value) (at "
        #expect(try problem { $0[".nested_absmax"] = spoiled(1) }.contains("nested_absmax \(scale)0)"))
        #expect(try problem(doubleQuantization: false) { $0[".absmax"] = spoiled(24) }.contains("absmax \(scale)1)"))
        let map = value.isFinite ? "nothing" : "of the quantized tensor should be finite, not \(value) (at 1)"
        #expect(try problem { $0[".quant_map"] = spoiled(16) }.contains(map))
        #expect(try problem { $0[".nested_quant_map"] = spoiled(256) }.contains(map))
    }

    @Test("A layer in two formats at once is refused")
    func twoFormats() throws {
        let problem = try problem { $0[".quant_state.bitsandbytes__fp4"] = $0[QuantizedLoadingErrorTests.state] }
        #expect(problem.contains("both nf4 and fp4"))
    }
}
