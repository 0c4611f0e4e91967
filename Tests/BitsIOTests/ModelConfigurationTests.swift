import BitsIO
import BitsQuant
import BitsKernels
import Testing
import _BitsTestSupport

@Suite("Model configurations")
struct ModelConfigurationTests {
    private func fields(_ text: String) throws -> ConfigurationFields {
        guard case .object(let object) = try JSONValue(parsing: Array(text.utf8)) else { throw ModelFileError.malformed(path: "", "") }
        return ConfigurationFields(object, path: "config.json")
    }

    private func message(_ body: () throws -> Void) -> String {
        let error = #expect(throws: ModelFileError.self) { try body() }
        return error.map { "\($0)" } ?? ""
    }

    @Test("Fields are read by type")
    func typedFields() throws {
        let fields = try fields(#"{"n": 3, "x": 1, "y": 1e-5, "s": "t", "b": true, "l": [1, 2], "none": null, "in": {"n": 4}}"#)
        #expect(try fields.require("n") == 3 && fields.requireCount("n") == 3)
        #expect(try fields.require("x", as: Double.self) == 1 && fields.require("y", as: Float.self) == 1e-5)
        #expect(try fields.require("s") == "t" && fields.require("b") == true && fields.require("l") == [1, 2])
        #expect(try fields.optional("none", as: Int.self) == nil && fields.value("missing", default: 7) == 7 && !fields.contains("none"))
        #expect(try fields.section("in")?.require("n") == 4 && fields.section("out") == nil)
    }

    @Test("A field that is missing or of the wrong type is named")
    func badFields() throws {
        let fields = try fields(#"{"n": "3", "zero": 0, "l": [1, "a"], "half": 1.5, "in": {"m": []}}"#)
        #expect(
            message { _ = try fields.require("hidden_size", as: Int.self) } == "config.json: has no 'hidden_size'; a whole number is needed there")
        #expect(message { _ = try fields.require("n", as: Int.self) } == "config.json: needs a whole number as 'n'; it has \"3\"")
        #expect(message { _ = try fields.requireCount("zero") }.contains("from 1"))
        #expect(message { _ = try fields.require("l", as: [Int].self) }.contains("a list, each entry a whole number"))
        #expect(message { _ = try fields.require("half", as: Int.self) }.contains("1.5"))
        let section = try #require(try fields.section("in"))
        #expect(message { _ = try section.require("m", as: Bool.self) }.contains("'in.m'"))
        #expect(message { _ = try fields.section("n") }.contains("an object"))
    }

    @Test("The configuration keeps fields that it does not know")
    func unknownFields() throws {
        let text = """
            {
              "architectures": [
                "LlamaForCausalLM"
              ],
              "dtype": "bfloat16",
              "future_field": {
                "b": 1.50,
                "a": []
              },
              "model_type": "llama",
              "vocab_size": 10
            }

            """
        var configuration = try ModelConfiguration(fields(text))
        #expect(configuration.modelType == "llama")
        #expect(try configuration.dtype == .bfloat16 && configuration.quantization == nil)
        #expect(String(decoding: configuration.json.fileBytes, as: UTF8.self) == text)
        let section = BitsAndBytesConfig(.fourBit(.nf4, computeDType: .bfloat16))
        configuration.setQuantization(section)
        configuration.setDType(.float32)
        #expect(configuration.fields.object.keys == ["architectures", "dtype", "future_field", "model_type", "quantization_config", "vocab_size"])
        #expect(try configuration.quantization == section && configuration.dtype == .float32)
        configuration.setQuantization(nil)
        #expect(try configuration.quantization == nil)
    }

    @Test("A configuration needs a model type and a known element type")
    func neededFields() throws {
        #expect(message { _ = try ModelConfiguration(fields("{}")) }.contains("'model_type'"))
        #expect(message { _ = try ModelConfiguration(fields(#"{"model_type": "llama", "torch_dtype": "float64"}"#)).dtype }.contains("float64"))
    }

    @Test("The quantization section is written as transformers does")
    func writtenSection() throws {
        let config = BitsAndBytesConfig(.fourBit(.nf4, computeDType: .bfloat16))
        #expect(
            config.json.compactText == #"{"_load_in_4bit": true, "_load_in_8bit": false, "bnb_4bit_compute_dtype": "bfloat16", "#
                + #""bnb_4bit_quant_storage": "uint8", "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": true, "#
                + #""llm_int8_enable_fp32_cpu_offload": false, "llm_int8_has_fp16_weight": false, "llm_int8_skip_modules": null, "#
                + #""llm_int8_threshold": 6.0, "load_in_4bit": true, "load_in_8bit": false, "quant_method": "bitsandbytes"}"#)
        guard case .object(let object) = config.json else {
            Issue.record("the section is no object")
            return
        }
        #expect(try BitsAndBytesConfig(ConfigurationFields(object, path: "")) == config)
    }

    @Test("A section in 8 bits is written as transformers does, and each field survives the way through text")
    func everyField() throws {
        #expect(BitsAndBytesConfig(.int8()).json.compactText.contains(#""_load_in_8bit": true"#))
        var config = BitsAndBytesConfig(.int8(outlierThreshold: 4))
        #expect(config.json.compactText.contains(#""llm_int8_threshold": 4.0, "load_in_4bit": false, "load_in_8bit": true"#))
        config.skipModules = ["lm_head", "model.layers.0"]
        config.offloadsInFloat32 = true
        config.keepsFloat16Weights = true
        config.computeType = .float16
        config.format = .nf4
        config.storageType = .bfloat16
        config.doubleQuantization = true
        #expect(try BitsAndBytesConfig(fields(config.json.compactText)) == config)
    }

    @Test(
        "What a section asks for is what it was made of, numbers as they read in decimal",
        arguments: [
            .fourBit(.fp4, doubleQuantization: false, storage: .bfloat16, computeDType: .float16), .fourBit(.nf4, computeDType: .float32),
            .int8(outlierThreshold: 0.1), .int8(keepsFloat16Weights: true),
        ] as [Quantization])
    func quantization(_ quantization: Quantization) throws {
        let config = BitsAndBytesConfig(quantization, skipModules: ["head"])
        #expect(config.quantization == quantization && config.skipModules == ["head"])
        #expect(try BitsAndBytesConfig(fields(config.json.compactText)).quantization == quantization)
        #expect(BitsAndBytesConfig(.int8(outlierThreshold: 0.1)).outlierThreshold == 0.1)
        #expect(BitsAndBytesConfig(nil).quantization == nil && BitsAndBytesConfig(nil) == BitsAndBytesConfig())
    }

    @Test("The quantization section is read with its defaults")
    func readSection() throws {
        #expect(try BitsAndBytesConfig(fields("{}")) == BitsAndBytesConfig())
        #expect(BitsAndBytesConfig().method == nil && BitsAndBytesConfig().format == .fp4 && BitsAndBytesConfig().outlierThreshold == 6)
        #expect(try BitsAndBytesConfig(fields(#"{"_load_in_8bit": true}"#)).method == "llm_int8")
        let config = try BitsAndBytesConfig(
            fields(#"{"load_in_4bit": true, "bnb_4bit_compute_dtype": "torch.bfloat16", "llm_int8_skip_modules": ["lm_head"], "unknown": 1}"#))
        #expect(config.method == "fp4" && config.computeType == .bfloat16 && config.skipModules == ["lm_head"])
        let older = try BitsAndBytesConfig(fields(#"{"load_in_8bit": true, "llm_int8_threshold": 4.5, "llm_int8_has_fp16_weight": true}"#))
        #expect(
            older.quantization == .int8(outlierThreshold: 4.5, keepsFloat16Weights: true) && older.outlierThreshold == 4.5
                && older.keepsFloat16Weights && !older.loadIn4Bit)
        #expect(try BitsAndBytesConfig(fields(#"{"_load_in_4bit": true, "load_in_4bit": false}"#)).quantization == nil)
    }

    @Test(
        "A bad quantization section is an error",
        arguments: [
            (#"{"load_in_4bit": 1}"#, "load_in_4bit"), (#"{"load_in_4bit": true, "load_in_8bit": true}"#, "choose one"),
            (#"{"load_in_8bit": "true"}"#, "true or false"), (#"{"_load_in_4bit": true, "_load_in_8bit": true}"#, "choose one"),
            (#"{"llm_int8_threshold": 6}"#, "a number with a decimal point, such as 6.0, as 'llm_int8_threshold'; it has 6"),
            (#"{"llm_int8_threshold": -1.0}"#, "a number from 0"), (#"{"llm_int8_threshold": Infinity}"#, "a number from 0"),
            (#"{"bnb_4bit_use_double_quant": "yes"}"#, "bnb_4bit_use_double_quant"), (#"{"quant_method": 8}"#, "quant_method"),
            (#"{"llm_int8_threshold": "6"}"#, "llm_int8_threshold"), (#"{"llm_int8_skip_modules": "lm_head"}"#, "llm_int8_skip_modules"),
            (#"{"llm_int8_skip_modules": [1]}"#, "llm_int8_skip_modules"),
            (#"{"llm_int8_enable_fp32_cpu_offload": null, "llm_int8_has_fp16_weight": 0}"#, "fp16"),
            (#"{"bnb_4bit_compute_dtype": "float8"}"#, "float8"), (#"{"bnb_4bit_compute_dtype": "int8"}"#, "int8"),
            (#"{"bnb_4bit_quant_type": "int4"}"#, "int4"),
            (#"{"bnb_4bit_quant_type": 4}"#, "bnb_4bit_quant_type"), (#"{"bnb_4bit_quant_storage": "float64"}"#, "float64"),
            (#"{"bnb_4bit_quant_storage": "int32"}"#, "int32"), (#"{"quant_method": "gptq"}"#, "'gptq'"),
        ])
    func badSection(_ text: String, _ expected: String) {
        #expect(message { _ = try BitsAndBytesConfig(fields(text)) }.contains(expected))
    }

    @Test("Generation settings are read and checked")
    func generation() throws {
        let generation = try GenerationConfiguration(
            fields(
                #"{"bos_token_id": 1, "eos_token_id": [2, 3], "do_sample": true, "temperature": 0.6, "top_p": 0.9, "min_p": 0.05, "pad_token_id": null}"#
            ))
        #expect(generation.beginToken == 1 && generation.endTokens == [2, 3] && generation.padToken == nil && generation.samples)
        #expect(generation.temperature == 0.6 && generation.topP == 0.9 && generation.topK == 50 && generation.repetitionPenalty == 1)
        #expect(generation.minP == 0.05)
        #expect(try GenerationConfiguration(fields(#"{"eos_token_id": 5}"#)).endTokens == [5])
        #expect(message { _ = try GenerationConfiguration(fields(#"{"top_p": 1.5}"#)) }.contains("out of range"))
        #expect(message { _ = try GenerationConfiguration(fields(#"{"min_p": -0.1}"#)) }.contains("out of range"))
        #expect(message { _ = try GenerationConfiguration(fields(#"{"temperature": Infinity}"#)) }.contains("out of range"))
        #expect(message { _ = try GenerationConfiguration(fields(#"{"eos_token_id": "x"}"#)) }.contains("eos_token_id"))
    }

    @Test("Generation settings fall back to the model's tokens")
    func generationFallback() throws {
        let folder = try TemporaryFolder()
        try folder.write(#"{"model_type": "llama", "bos_token_id": 7, "eos_token_id": 8}"#, as: "config.json")
        let generation = try GenerationConfiguration(ModelFolder(path: folder.path))
        #expect(generation.beginToken == 7 && generation.endTokens == [8])
    }
}
