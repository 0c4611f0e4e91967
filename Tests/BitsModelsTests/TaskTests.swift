import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("Tasks of a family that a program adds")
struct TaskTests {
    private let ids: [Int32] = [3, 1, 4, 1, 5, 9, 2]
    private let configuration: ModelConfiguration

    init() throws {
        ModelRegistry.register(TinyEncoder.family)
        configuration = try TaskTests.configuration()
    }

    private static func configuration(
        _ fields: JSONObject = ["id2label": ["0": "a", "1": "b", "2": "c"]], of family: String = "tiny-encoder"
    ) throws -> ModelConfiguration {
        var object = fields
        object["model_type"] = .string(family)
        return try ModelConfiguration(ConfigurationFields(object, path: "config.json"))
    }

    @Test("It is found by name, and a family that nobody added is refused with the names of all")
    func registered() throws {
        #expect(Set(ModelRegistry.families).isSuperset(of: ["llama", "tiny-encoder"]))
        #expect(try ModelRegistry.family(of: configuration).tasks == [.maskedLanguageModeling, .sequenceClassification, .tokenClassification])
        let unknown = try TaskTests.configuration(of: "no-such")
        let problem = try #require(throws: ModelFileError.self) { try ModelRegistry.model(unknown) }
        #expect(problem.description.contains("'no-such'") && problem.description.contains("llama") && problem.description.contains("tiny-encoder"))
    }

    @Test("Families are added and asked for from many tasks at once")
    func concurrent() async {
        await withTaskGroup(of: Bool.self) { group in
            for index in 0..<64 {
                group.addTask {
                    ModelRegistry.register(
                        ModelFamily("family-\(index)", backbone: "model", heads: [:]) { (_) throws(ModelFileError) in TinyEncoder() })
                    return ModelRegistry.families.contains("family-\(index)")
                }
            }
            for await isThere in group { #expect(isThere) }
        }
        #expect(ModelRegistry.families.count { $0.hasPrefix("family-") } == 64)
    }

    @Test("Its checkpoint's names are the backbone's and the head's; a tied table is the backbone's alone")
    func names() throws {
        let masked = try MaskedLanguageModel(configuration).namedParameters().map(\.path)
        #expect(masked.prefix(2) == ["encoder.words.weight", "encoder.positions.weight"] && masked.contains("encoder.layers.1.up.bias"))
        #expect(masked.suffix(3) == ["predictions.bias", "predictions.transform.weight", "predictions.transform.bias"])
        let classifier = try SequenceClassifier(configuration)
        #expect(classifier.namedParameters().suffix(2).map(\.path) == ["classifier.weight", "classifier.bias"])
        #expect(classifier.namedParameters().last?.parameter.shape == [3])
        #expect(try SequenceClassifier(TaskTests.configuration(["num_labels": 5])).namedParameters().last?.parameter.shape == [5])
        #expect(try SequenceClassifier(TaskTests.configuration([:])).namedParameters().last?.parameter.shape == [2])
    }

    @Test(
        "The task is that of the architecture",
        arguments: [
            ("TinyForMaskedLM", ModelTask.maskedLanguageModeling), ("TinyForSequenceClassification", .sequenceClassification),
            ("TinyForTokenClassification", .tokenClassification), ("TinyForPreTraining", .maskedLanguageModeling),
            ("TinyModel", .featureExtraction), ("TinyForSomethingElse", .maskedLanguageModeling),
        ])
    func architecture(name: String, task: ModelTask) throws {
        let model = try ModelRegistry.model(TaskTests.configuration(["architectures": [.string(name)]]))
        #expect((type(of: model) as? any RegisteredTask.Type)?.task == task)
    }

    @Test("A task that it is not made for is refused with those that it is made for")
    func otherTask() throws {
        let problem = try #require(throws: ModelFileError.self) { try CausalLanguageModel(configuration) }
        #expect(problem.description.contains("not made for causal language modelling, but for masked language modelling, sequence classification"))
    }

    @Test("Every token sees its whole sequence, and neither padding nor another sequence")
    func visibility() throws {
        let model = try MaskedLanguageModel(configuration)
        model.randomize(seed: 1)
        let alone = model.hiddenStates(TokenBatch(ids))  // [1, 7, D]
        let changed = model.hiddenStates(TokenBatch(ids.dropLast() + [8]))
        #expect(try distance(changed.narrowed(axis: 1, to: 0..<1), alone.narrowed(axis: 1, to: 0..<1)) > 1e-3)
        let padded = model.hiddenStates(TokenBatch([ids + [0, 0], [0, 0] + ids], mask: [(0..<9).map { $0 < 7 }, (0..<9).map { $0 >= 2 }]))
        #expect(try distance(padded.narrowed(axis: 0, to: 0..<1).narrowed(axis: 1, to: 0..<7), alone) < 1e-5)
        #expect(try distance(padded.narrowed(axis: 0, to: 1..<2).narrowed(axis: 1, to: 2..<9), alone) < 1e-5)
        let packed = model.hiddenStates(TokenBatch(packing: [[7, 8], ids, [6]]))
        #expect(try distance(packed.narrowed(axis: 1, to: 2..<9), alone) < 1e-5)
    }

    @Test("Segments count, and lie as the tokens do")
    func segments() throws {
        let model = try MaskedLanguageModel(configuration)
        model.randomize(seed: 1)
        let second: [Int32] = [0, 0, 0, 0, 1, 1, 1]
        let parts = model.hiddenStates(TokenBatch(packing: [ids], segments: [second]))
        #expect(try distance(parts, model.hiddenStates(TokenBatch(ids))) > 1e-3)
        let masked = TokenBatch([ids], mask: [[Bool](repeating: true, count: 7)], segments: [second])
        #expect(try distance(model.hiddenStates(masked), parts) < 1e-6)
    }

    @Test("The loss of masked tokens is that of their scores, and its gradients those of finite differences, the head's bias among them")
    func maskedLoss() throws {
        let model = try MaskedLanguageModel(configuration)
        model.randomize(seed: 2)
        let targets: [Int32] = [-100, 7, -100, -100, 2, -100, -100]
        func loss() -> Tensor { model.loss(TokenBatch(ids), targets: targets) }
        let logits = model.logits(TokenBatch(ids)).reshaped(7, -1)
        #expect(logits.dtype == .float32 && logits.shape == [7, TinyEncoder.vocabulary])
        #expect(try abs(loss().item() - logits.crossEntropy(Tensor(targets)).sum().item()) < 1e-4)
        model.setTrainable(true)
        loss().backward()
        for path in ["predictions.bias", "encoder.words.weight", "predictions.transform.bias", "encoder.layers.0.query.weight"] {
            let parameter = try #require(model.namedParameters().first { $0.path == path }).parameter
            let gradient = try #require(parameter.gradient, "\(path)").floats()
            let index = try #require(gradient.indices.max { abs(gradient[$0]) < abs(gradient[$1]) })
            let value = try parameter.value.floats()
            let differences = try finiteDifferences(at: [value[index]], step: 0x1p-8) { point in
                var changed = value
                changed[index] = point[0]
                parameter.value = Tensor(changed, shape: parameter.shape)
                return try noGradient { Double(try loss().item()) }
            }
            parameter.value = Tensor(value, shape: parameter.shape)
            #expect(abs(Double(gradient[index]) - differences[0]) < 0.02 * abs(differences[0]), "\(path)")
        }
    }

    @Test("A classifier of sequences scores each by its first token, padded and packed alike")
    func sequences() throws {
        let model = try SequenceClassifier(configuration)
        model.randomize(seed: 3)
        let alone = model.scores(TokenBatch(ids))
        #expect(alone.shape == [1, 3] && alone.dtype == .float32)
        let packed = model.scores(TokenBatch(packing: [[7, 8], ids]))
        #expect(packed.shape == [2, 3])
        #expect(try distance(packed.narrowed(axis: 0, to: 1..<2), alone) < 1e-5)
        let padded = model.scores(TokenBatch([[0, 0] + ids], mask: [(0..<9).map { $0 >= 2 }]))
        #expect(try distance(padded, alone) < 1e-5)
        let expected = packed.crossEntropy(Tensor([Int32]([2, 0]))).sum()
        #expect(try abs(model.loss(TokenBatch(packing: [[7, 8], ids]), labels: [2, 0]).item() - expected.item()) < 1e-5)
    }

    @Test("A classifier is loaded from its folder, quantized but for its head, and a language model is not found there")
    func loading() throws {
        let text = TinyModel.configurationText(["num_labels": "3"])
        guard case .object(let object) = try JSONValue(parsing: Array(text.utf8)) else { return }
        let model = try SequenceClassifier(TaskTests.configuration(object, of: "llama"))
        model.randomize(seed: 5)
        let tensors = Dictionary(uniqueKeysWithValues: model.namedParameters().map { ($0.path, $0.parameter.value) })
        let folder = try TinyFolder(configuration: text, tensors: tensors)
        let path = try ModelFolder(path: folder.path)
        let loaded = try SequenceClassifier.load(path)
        #expect(loaded.report.warnings == [])
        #expect(try loaded.model.scores(TokenBatch(ids)).bytes() == model.scores(TokenBatch(ids)).bytes())
        let quantized = try SequenceClassifier.load(path, options: LoadOptions(quantization: .fourBit(.nf4)))
        #expect(quantized.report.quantized.count == 14 && quantized.report.kept.map(\.path) == ["score"])
        #expect(try #require(folder.problem()).contains("lm_head.weight"))
    }

    @Test("Llama classifies a sequence by its last token, and each token by itself")
    func llama() throws {
        let text = TinyModel.configurationText(["num_labels": "3"])
        guard case .object(let object) = try JSONValue(parsing: Array(text.utf8)) else { return }
        let configuration = try TaskTests.configuration(object, of: "llama")
        let (classifier, tagger) = (try SequenceClassifier(configuration), try TokenClassifier(configuration))
        classifier.randomize(seed: 4)
        tagger.randomize(seed: 4)
        #expect(classifier.namedParameters().last?.path == "score.weight" && tagger.namedParameters().last?.path == "score.bias")
        let padded = TokenBatch([ids + [0, 0], [5, 6, 7, 8, 9, 8, 7, 6, 5]], mask: [(0..<9).map { $0 < 7 }, [Bool](repeating: true, count: 9)])
        let scores = classifier.scores(padded)
        #expect(try distance(scores.narrowed(axis: 0, to: 0..<1), classifier.scores(TokenBatch(ids))) < 1e-5)
        #expect(try distance(classifier.scores(TokenBatch(ids.dropLast() + [8])), classifier.scores(TokenBatch(ids))) > 1e-4)
        #expect(tagger.logits(padded).shape == [2, 9, 3])
        classifier.setTrainable(true)
        classifier.loss(padded, labels: [1, -100]).backward()
        #expect(try #require(classifier.namedParameters().last?.parameter.gradient).floats().contains { $0 != 0 })
    }
}
