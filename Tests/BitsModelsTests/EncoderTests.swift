import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsQuant
import BitsSystem
import Testing
import _BitsTestSupport

/// Encoders small enough for a test, with random weights from a seed.
enum TinyEncoders {
    static let sizes: JSONObject = [
        "vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24, "max_position_embeddings": 12,
        "id2label": ["0": "no", "1": "yes", "2": "perhaps"],
    ]
    static let deberta: JSONObject = [
        "model_type": "deberta-v2", "relative_attention": true, "position_buckets": 4, "norm_rel_ebd": "layer_norm", "share_att_key": true,
        "pos_att_type": ["p2c", "c2p"], "position_biased_input": false,
    ]

    static func configuration(_ fields: JSONObject) throws -> ModelConfiguration {
        var object = sizes
        for key in fields.keys { if let value = fields[key] { object.insert(value, forKey: key) } }
        return try ModelConfiguration(ConfigurationFields(object, path: "config.json"))
    }

    static func model<Task: RegisteredTask>(_ task: Task.Type, _ fields: JSONObject, seed: UInt64 = 1) throws -> Task {
        let model = try Task(configuration(fields))
        model.randomize(seed: seed)
        return model
    }

    /// A folder with the weights of `model`, under names that `rename` may change.
    static func folder(_ model: Module, _ fields: JSONObject, rename: (String) -> String? = { $0 }) throws -> TinyFolder {
        var tensors: [String: Tensor] = [:]
        for (path, parameter) in model.namedParameters() {
            if let name = rename(path) { tensors[name] = parameter.value }
        }
        return try TinyFolder(configuration: configuration(fields).json.compactText, tensors: tensors)
    }
}

@Suite("BERT, RoBERTa and DeBERTa")
struct EncoderTests {
    private let ids: [Int32] = [3, 1, 4, 15, 9, 2, 6]
    private let bert: JSONObject = ["model_type": "bert"]

    private static let families: [JSONObject] = [
        ["model_type": "bert"], ["model_type": "roberta"], ["model_type": "xlm-roberta"], TinyEncoders.deberta,
    ]

    @Test("Padded on either side or packed with others, a sequence's hidden states are those that it has alone", arguments: families.indices)
    func padding(index: Int) throws {
        let model = try TinyEncoders.model(FeatureExtractor.self, EncoderTests.families[index])
        let alone = model.hiddenStates(TokenBatch(ids))  // [1, 7, D]
        let padded = model.hiddenStates(TokenBatch([ids + [0, 0], [0, 0] + ids], mask: [(0..<9).map { $0 < 7 }, (0..<9).map { $0 >= 2 }]))
        #expect(try distance(padded.narrowed(axis: 0, to: 0..<1).narrowed(axis: 1, to: 0..<7), alone) < 1e-5)
        #expect(try distance(padded.narrowed(axis: 0, to: 1..<2).narrowed(axis: 1, to: 2..<9), alone) < 1e-5)
        let packed = TokenBatch(packing: [[7, 8, 5, 6, 7], ids, [6]])
        #expect(try distance(model.hiddenStates(packed).narrowed(axis: 1, to: 5..<12), alone) < 1e-5)
        #expect(try distance(model.summaries(packed).narrowed(axis: 0, to: 1..<2), model.summaries(TokenBatch(ids))) < 1e-5)
    }

    @Test("Padding takes no position: a row as long as the model has positions is taken, whatever is padded to it", arguments: [0, 1])
    func positions(index: Int) throws {
        let model = try TinyEncoders.model(FeatureExtractor.self, EncoderTests.families[index])
        #expect(model.contextLength == [12, 10][index])
        let longest = [Int32](repeating: 5, count: model.contextLength)
        let padded = TokenBatch([longest + [0, 0, 0]], mask: [(0..<longest.count + 3).map { $0 < longest.count }])
        let found = model.hiddenStates(padded).narrowed(axis: 1, to: 0..<longest.count)
        #expect(try distance(found, model.hiddenStates(TokenBatch(longest))) < 1e-5)
    }

    @Test("Segments change what BERT computes, and tokens without segments are of the first")
    func segments() throws {
        let model = try TinyEncoders.model(FeatureExtractor.self, bert)
        let plain = model.hiddenStates(TokenBatch(ids))
        #expect(try model.hiddenStates(TokenBatch(packing: [ids], segments: [[0, 0, 0, 0, 0, 0, 0]])).bytes() == plain.bytes())
        #expect(try distance(model.hiddenStates(TokenBatch(packing: [ids], segments: [[0, 0, 0, 1, 1, 1, 1]])), plain) > 1e-3)
    }

    @Test("DeBERTa tells the order of tokens by their distances alone")
    func order() throws {
        let model = try TinyEncoders.model(FeatureExtractor.self, TinyEncoders.deberta)
        let turned = model.hiddenStates(TokenBatch(Array(ids.reversed()))).reshaped(7, -1).rows(Tensor((0..<7).map { Int32(6 - $0) }))
        #expect(try distance(turned, model.hiddenStates(TokenBatch(ids)).reshaped(7, -1)) > 1e-3)
    }

    @Test("Old names are found: gamma and beta, entries without the backbone's name before them, a tied table and its bias once more")
    func legacyNames() throws {
        let model = try TinyEncoders.model(MaskedLanguageModel.self, bert)
        let batch = TokenBatch(ids)
        let expected = try model.logits(batch).bytes()
        let old = try TinyEncoders.folder(model, bert) { name in
            let renamed =
                name.hasSuffix("LayerNorm.weight") ? name.dropLast(6) + "gamma" : name.hasSuffix("LayerNorm.bias") ? name.dropLast(4) + "beta" : name
            return renamed == "cls.predictions.bias" ? "cls.predictions.decoder.bias" : renamed
        }
        var (loaded, report) = try MaskedLanguageModel.load(ModelFolder(path: old.path))
        #expect(try loaded.logits(batch).bytes() == expected && report.warnings == [])
        let bare = try TinyEncoders.folder(model, bert) { $0.hasPrefix("bert.") ? String($0.dropFirst(5)) : $0 }
        (loaded, report) = try MaskedLanguageModel.load(ModelFolder(path: bare.path))
        #expect(try loaded.logits(batch).bytes() == expected && report.warnings == [])
        let classifier = try TinyEncoders.folder(TinyEncoders.model(SequenceClassifier.self, bert), bert)
        let features = try FeatureExtractor.load(ModelFolder(path: classifier.path))
        #expect(features.report.unused == ["classifier.bias", "classifier.weight"])
    }

    @Test("A classifier begins with a random head on a pretrained backbone, and is saved as the class that it is, with its labels")
    func newHead() throws {
        for fields in EncoderTests.families {
            var described = fields
            described.insert(["TinyForMaskedLM"], forKey: "architectures")
            let pretrained = try TinyEncoders.model(MaskedLanguageModel.self, fields)
            let files = try TinyEncoders.folder(pretrained, described)
            let folder = try ModelFolder(path: files.path)
            var configuration = try ModelConfiguration(folder)
            configuration.setLabels(["down", "up"])
            let (model, report) = try SequenceClassifier.load(folder, configuration: configuration, newHead: RandomGenerator(seed: 3))
            #expect(report.notes.contains { $0.contains("begin at random") })
            let again = try SequenceClassifier.load(folder, configuration: configuration, newHead: RandomGenerator(seed: 3)).model
            let scores = model.scores(TokenBatch(ids))
            #expect(try scores.shape == [1, 2] && scores.bytes() == again.scores(TokenBatch(ids)).bytes())
            #expect(throws: ModelFileError.self) { try SequenceClassifier.load(folder, configuration: configuration) }
            let scratch = try TemporaryFolder()
            try model.save(to: "\(scratch.path)/m", like: folder, configuration: configuration)
            let saved = try ModelFolder(path: "\(scratch.path)/m")
            let loaded = try #require(try ModelRegistry.model(ModelConfiguration(saved)) as? SequenceClassifier)
            #expect(loaded.head.output.outFeatures == 2)
            #expect(try ModelConfiguration(saved).labels == ["down", "up"])
            #expect(try SequenceClassifier.load(saved).model.scores(TokenBatch(ids)).bytes() == scores.bytes())
        }
    }

    @Test("What is drawn for a new head is the head's alone: a backbone that lacks a weight is refused")
    func damagedBackbone() throws {
        let model = try TinyEncoders.model(MaskedLanguageModel.self, bert)
        let folder = try TinyEncoders.folder(model, bert) { $0.hasSuffix("1.attention.self.key.weight") ? nil : $0 }
        let problem = try #require(throws: ModelFileError.self) {
            try SequenceClassifier.load(ModelFolder(path: folder.path), newHead: RandomGenerator(seed: 1))
        }
        #expect(problem.description.contains("'bert.encoder.layer.1.attention.self.key.weight' [16, 16] is missing"))
        #expect(!problem.description.contains("classifier") && !problem.description.contains("pooler"))
    }

    @Test("All forms load, compute near to the original and are saved as they are", arguments: families.indices)
    func quantized(index: Int) throws {
        let fields = EncoderTests.families[index]
        let model = try TinyEncoders.model(TokenClassifier.self, fields)
        let files = try TinyEncoders.folder(model, fields)
        let folder = try ModelFolder(path: files.path)
        for form in [Quantization.fourBit(.nf4), .int8()] {
            let (packed, report) = try TokenClassifier.load(folder, options: LoadOptions(quantization: form))
            #expect(report.quantized.count == 12 && report.kept.map(\.path) == ["classifier"])
            #expect(try distance(packed.logits(TokenBatch(ids)), model.logits(TokenBatch(ids))) < 0.3)
            let scratch = try TemporaryFolder()
            try packed.save(to: "\(scratch.path)/m", like: folder)
            let again = try TokenClassifier.load(ModelFolder(path: "\(scratch.path)/m"))
            #expect(again.report.warnings == [] && again.report.quantized.count == 12)
            #expect(try again.model.logits(TokenBatch(ids)).bytes() == packed.logits(TokenBatch(ids)).bytes())
        }
    }

    static let refused: [(fields: JSONObject, reason: String)] = [
        (["model_type": "bert", "position_embedding_type": "relative_key"], "position_embedding_type 'relative_key'"),
        (["model_type": "bert", "is_decoder": true], "is_decoder"), (["model_type": "bert", "num_attention_heads": 3], "num_attention_heads 3"),
        (["model_type": "bert", "hidden_act": "mish"], "hidden_act 'mish'"), (["model_type": "bert", "type_vocab_size": -1], "type_vocab_size"),
        (["model_type": "bert", "vocab_size": 1_000_000_000], "vocab_size 1000000000"),
        (["model_type": "roberta", "pad_token_id": 11], "pad_token_id 11"),
        (TinyEncoders.deberta.merging(["conv_kernel_size": 3]), "conv_kernel_size 3"),
        (TinyEncoders.deberta.merging(["attention_head_size": 4]), "attention_head_size 4"),
        (TinyEncoders.deberta.merging(["pos_att_type": ["p2p"]]), "'p2p' in pos_att_type"),
        (TinyEncoders.deberta.merging(["pos_att_type": "c2p|x2p"]), "'x2p' in pos_att_type"),
        (TinyEncoders.deberta.merging(["position_buckets": 24]), "position_buckets 24"),
        (TinyEncoders.deberta.merging(["max_relative_positions": 100_000_000]), "max_relative_positions 100000000"),
    ]

    @Test("What is not implemented, or cannot be, is refused by name before a weight is read", arguments: refused.indices)
    func refuses(index: Int) throws {
        let (fields, reason) = EncoderTests.refused[index]
        let problem = try #require(throws: ModelFileError.self) { try FeatureExtractor(TinyEncoders.configuration(fields)) }
        #expect(problem.description.contains(reason), "\(problem)")
    }
}

extension JSONObject {
    /// These fields with those of `others` in their place.
    func merging(_ others: JSONObject) -> JSONObject {
        var result = self
        for key in others.keys { if let value = others[key] { result.insert(value, forKey: key) } }
        return result
    }
}
