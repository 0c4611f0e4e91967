import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsQuant
import BitsTune
import Testing
import _BitsTestSupport

/// Which layers an adapter gets, and how much that is, without a weight in memory.
@Suite("What an adapter's settings mean for a model")
struct AdapterPlanTests {
    /// Llama 3.1 8B, by its shapes.
    private static var llama8B: CausalLanguageModel {
        Llama.languageModel(
            LlamaConfiguration(vocabularySize: 128_256, width: 4096, innerWidth: 14_336, layers: 32, heads: 32, keyValueHeads: 8))
    }

    @Test("Llama 3.1 8B of rank 16 has the known numbers of trained weights, in PEFT's words")
    func figures() throws {
        let model = AdapterPlanTests.llama8B
        let all = try AdapterPlan(LoRAConfiguration(rank: 16), for: model)
        #expect(all.layers.count == 224)
        #expect("\(all.counts(in: model))" == "trainable params: 41,943,040 || all params: 8,072,204,288 || trainable%: 0.5196")
        let some = try AdapterPlan(LoRAConfiguration(rank: 16, targets: .named(["q_proj", "v_proj"])), for: model)
        #expect("\(some.counts(in: model))" == "trainable params: 6,815,744 || all params: 8,037,076,992 || trainable%: 0.0848")
    }

    @Test("DoRA, update biases, embeddings and whole modules count what they add")
    func extras() throws {
        let model = AdapterPlanTests.llama8B
        var configuration = LoRAConfiguration(rank: 16)
        let plain = try AdapterPlan(configuration, for: model).parameterCount
        // Per block: the output widths of q, k, v, o, gate, up and down.
        let outputs = 32 * (4096 + 1024 + 1024 + 4096 + 14_336 + 14_336 + 4096)
        configuration.isWeightDecomposed = true
        #expect(try AdapterPlan(configuration, for: model).parameterCount == plain + outputs)
        configuration.isWeightDecomposed = false
        configuration.hasUpdateBias = true
        #expect(try AdapterPlan(configuration, for: model).parameterCount == plain + outputs)
        configuration.hasUpdateBias = false
        configuration.modulesToSave = ["lm_head"]
        #expect(try AdapterPlan(configuration, for: model).parameterCount == plain + 128_256 * 4096)
        let embedding = try AdapterPlan(LoRAConfiguration(rank: 16, targets: .named(["embed_tokens"])), for: model)
        #expect(embedding.layers.map(\.isEmbedding) == [true] && embedding.parameterCount == 16 * (128_256 + 4096))
    }

    private func paths(_ change: (inout LoRAConfiguration) -> Void) throws -> [String] {
        let model = Llama.languageModel(LlamaConfiguration(vocabularySize: 50, width: 32, innerWidth: 64, layers: 12, heads: 4))
        var configuration = LoRAConfiguration(rank: 2)
        change(&configuration)
        return try AdapterPlan(configuration, for: model).layers.map { String($0.path.dropFirst("model.layers.".count)) }
    }

    @Test("Names are whole paths or their ends on a boundary")
    func names() throws {
        #expect(
            try paths { $0.targets = .named(["model.layers.3.mlp.up_proj", "11.mlp.down_proj", "proj"]) } == ["3.mlp.up_proj", "11.mlp.down_proj"])
    }

    @Test("An expression matches whole paths, and may look ahead")
    func expressions() throws {
        #expect(try paths { $0.targets = .matching(#".*\.[35]\..*up_proj"#) } == ["3.mlp.up_proj", "5.mlp.up_proj"])
        #expect(try paths { $0.targets = .matching(#"model\.layers\.(?!1)\d+\.self_attn\.q_proj"#) }.count == 9)
        #expect(throws: AdapterError.nothingToAdapt(.matching("q_proj"))) { try paths { $0.targets = .matching("q_proj") } }
    }

    @Test("What is left out, and what is trained whole, gets no adapter")
    func left() throws {
        let up: (inout LoRAConfiguration) -> Void = { $0.targets = .named(["up_proj", "down_proj"]) }
        #expect(
            try paths {
                up(&$0); $0.excluded = .named(["up_proj"])
            } == (0..<12).map { "\($0).mlp.down_proj" })
        #expect(
            try paths {
                up(&$0); $0.excluded = .matching(#".*\.\d\..*|.*up_proj"#)
            } == ["10.mlp.down_proj", "11.mlp.down_proj"])
        #expect(
            try paths {
                up(&$0); $0.modulesToSave = ["mlp.up_proj"]
            } == (0..<12).map { "\($0).mlp.down_proj" })
    }

    @Test("Blocks are chosen by their number, behind a name where one is given, and not for whole paths")
    func blocks() throws {
        let up: (inout LoRAConfiguration) -> Void = { $0.targets = .named(["up_proj"]) }
        #expect(
            try paths {
                up(&$0); $0.blocks = [1, 10]
            } == ["1.mlp.up_proj", "10.mlp.up_proj"])
        #expect(
            try paths {
                up(&$0); $0.blocks = [1]; $0.blockNames = ["h", "layers"]
            } == ["1.mlp.up_proj"])
        #expect(throws: AdapterError.nothingToAdapt(.named(["up_proj"]))) {
            try paths {
                up(&$0); $0.blocks = [1]; $0.blockNames = ["h"]
            }
        }
        let whole = try paths {
            $0.targets = .named(["up_proj", "model.layers.4.mlp.gate_proj"]); $0.blocks = [1]
        }
        #expect(whole == ["1.mlp.up_proj", "4.mlp.gate_proj"])
    }

    @Test("The first pattern that matches a path's end on a boundary says its rank, and another its alpha")
    func patterns() throws {
        let model = Llama.languageModel(LlamaConfiguration(vocabularySize: 50, width: 32, innerWidth: 64, layers: 2, heads: 4))
        var configuration = LoRAConfiguration(rank: 4, alpha: 8, targets: .named(["q_proj", "up_proj"]))
        configuration.rankPattern = [
            "proj": 9, "1.mlp.up_proj": 2, "up_proj": 3, "^layers.0.self_attn.q_proj": 7, #"model\.layers\.\d\.self_attn.q_proj"#: 5,
        ]
        configuration.alphaPattern = ["layers.1.*": 10]
        let layers = try AdapterPlan(configuration, for: model).layers
        #expect(layers.map { $0.path.split(separator: ".").suffix(1) } == [["q_proj"], ["up_proj"], ["q_proj"], ["up_proj"]])
        #expect(layers.map(\.rank) == [5, 3, 5, 2])
        #expect(layers.map(\.scale) == [8 / 5, 8 / 3, 2, 5])
    }

    @Test(
        "Settings that mean nothing, or go against one another, are refused with a reason",
        arguments: [
            ("rank -1", "LoRA rank -1 is not from 1 to 1048576"), ("a pattern of rank 0", "LoRA rank 0 is not from 1 to 1048576"),
            ("a block", "'model.layers.0.self_attn' is a LlamaAttention, which gets no adapter"),
            ("a bad expression", "'(q_proj' is no regular expression"), ("a bad pattern", "'(q' is no regular expression"),
            ("blocks of an expression", "blocks are chosen for targets that are named"), ("bias and DoRA", "not both"),
            ("bias and PiSSA", "start from kaiming"), ("bias of an embedding", "updates of embeddings have no bias"),
            ("whole modules of no name", "no module is called score"), ("nothing", "no linear layer or embedding is called qproj"),
        ])
    func refused(what: String, reason: String) throws {
        var configuration = LoRAConfiguration(rank: 2)
        switch what {
        case "rank -1": configuration.rank = -1
        case "a pattern of rank 0": configuration.rankPattern = ["q_proj": 0]
        case "a block": configuration.targets = .named(["self_attn"])
        case "a bad expression": configuration.targets = .matching("(q_proj")
        case "a bad pattern": configuration.rankPattern = ["(q": 2]
        case "blocks of an expression": (configuration.targets, configuration.blocks) = (.matching(".*q_proj"), [1])
        case "bias and DoRA": (configuration.hasUpdateBias, configuration.isWeightDecomposed) = (true, true)
        case "bias and PiSSA": (configuration.hasUpdateBias, configuration.start) = (true, .pissa())
        case "bias of an embedding": (configuration.hasUpdateBias, configuration.targets) = (true, .named(["embed_tokens"]))
        case "whole modules of no name": configuration.modulesToSave = ["score"]
        default: configuration.targets = .named(["qproj"])
        }
        let model = try TinyTraining(on: .cpu).model
        let before = model.namedModules().map(\.path)
        var generator = RandomGenerator(seed: 1)
        let error = #expect(throws: AdapterError.self) { try Adapter(on: model, configuration, using: &generator) }
        #expect(error.map { "\($0)".contains(reason) } == true, "\(error.map { "\($0)" } ?? "")")
        #expect(model.namedModules().map(\.path) == before)
    }

    @Test("A quantized module is not trained whole")
    func quantized() throws {
        let model = try TinyTraining(on: .cpu).model
        var configuration = LoRAConfiguration(rank: 2, targets: .named(["q_proj"]))
        configuration.modulesToSave = ["v_proj"]
        #expect(throws: AdapterError.quantized(path: "model.layers.0.self_attn.v_proj")) { try AdapterPlan(configuration, for: model) }
    }

    @Test("A model that classifies trains its head with the adapter, as PEFT has it")
    func heads() throws {
        let fields: JSONObject = [
            "model_type": "llama", "vocab_size": 50, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_labels": 3,
        ]
        let model = try SequenceClassifier(ModelConfiguration(ConfigurationFields(fields, path: "config.json")))
        var generator = RandomGenerator(seed: 1)
        let adapter = try Adapter(on: model, LoRAConfiguration(rank: 2), using: &generator)
        #expect(adapter.configuration.modulesToSave == ["classifier", "score"])
        #expect(!adapter.layers.contains { $0.path == "score" })
        let head = try #require(model.namedParameters().first { $0.path == "score.weight" }?.parameter)
        #expect(head.isTrainable && adapter.parameters.contains { $0 === head })
    }
}
