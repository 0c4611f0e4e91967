import BitsCheckpoints
import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsQuant
import BitsSystem
import BitsTune
import Testing
import _BitsTestSupport

/// A recorded model with the head of its task: what it was asked and what the reference answered.
private struct TaskCase {
    let name: String
    let folder: ModelFolder
    let task: ModelTask
    let tokens: TokenBatch
    let labels: [Int32]
    /// The layers that the reference quantizes where nothing is said of them.
    let quantized: [String]
    private let answers: SafetensorsFile
    private let (ids, segments): ([[Int32]], [[Int32]]?)

    init(_ name: String, path: String) throws {
        self.name = name
        folder = try ModelFolder(path: "\(path)/model")
        let answers = try SafetensorsFile(path: "\(path)/reference.safetensors")
        self.answers = answers
        (ids, segments) = (try #require(try TaskCase.rows("input_ids", answers)), try TaskCase.rows("token_type_ids", answers))
        let mask = try #require(try TaskCase.rows("attention_mask", answers))
        tokens = TokenBatch(ids, mask: mask.map { $0.map { $0 != 0 } }, segments: segments, device: .tested)
        labels = try answers["labels"].map { try answers.tensor($0).integers().map { Int32($0) } } ?? []
        quantized = try ConfigurationFields(MappedFile(path: "\(path)/reference.json")).require("quantized")
        let model = try ModelRegistry.model(ModelConfiguration(folder))
        task = try #require(type(of: model) as? any RegisteredTask.Type).task
    }

    func answer(_ key: String) throws -> Tensor? { try answers[key].map { try answers.tensor($0) } }

    /// The real tokens of each row with their labels.
    var labeled: [LabeledSequence] {
        tokens.sequences.enumerated().map { row, places in
            let inner = places.lowerBound - row * tokens.length..<places.upperBound - row * tokens.length
            return LabeledSequence(
                Array(ids[row][inner]), segments: segments.map { Array($0[row][inner]) },
                labels: task == .sequenceClassification ? [labels[row]] : Array(labels[places]))
        }
    }

    var gradientNames: Set<String> { Set(answers.entries.map(\.name).filter { $0.hasPrefix("grad/") }) }

    /// What `answer` [2, T, ..] says of real tokens, one after the other.
    func real(_ answer: Tensor) -> Tensor {
        let places = tokens.sequences.flatMap { $0.map { Int32($0) } }
        return answer.reshaped(tokens.batch * tokens.length, -1).rows(Tensor(places, device: answer.device))
    }

    private static func rows(_ key: String, _ answers: SafetensorsFile) throws -> [[Int32]]? {
        guard let entry = answers[key] else { return nil }
        let (values, length) = (try answers.tensor(entry).integers().map { Int32($0) }, entry.shape[1])
        return (0..<entry.shape[0]).map { Array(values[$0 * length..<($0 + 1) * length]) }
    }

    /// Hands the recorded cases to `compare`; see ``ParityTally``.
    static func compare(_ name: String, _ compare: (TaskCase) throws -> String?) throws {
        let folder = "\(ParityCases.folder)/tasks"
        let names = try FileSystem.names(in: folder).filter { FileSystem.kind(of: "\(folder)/\($0)") == .folder }
        try ParityTally.compare("tasks, \(name)", names) { try compare(TaskCase($0, path: "\(folder)/\($0)")) }
    }
}

@Suite("Parity: tasks of encoders")
struct TaskParityTests {
    private static func load(_ example: TaskCase, _ options: LoadOptions = .tested()) throws -> (model: BackboneModel, report: ModelReport) {
        func load<Task: RegisteredTask>(_ type: Task.Type) throws -> (BackboneModel, ModelReport) {
            let (model, report) = try Task.load(example.folder, options: options)
            return (model, report)
        }
        switch example.task {
        case .causalLanguageModeling: return try load(CausalLanguageModel.self)
        case .maskedLanguageModeling: return try load(MaskedLanguageModel.self)
        case .sequenceClassification: return try load(SequenceClassifier.self)
        case .tokenClassification: return try load(TokenClassifier.self)
        case .featureExtraction: return try load(FeatureExtractor.self)
        }
    }

    /// The mean loss over the labels that count.
    private static func loss(_ model: BackboneModel, _ example: TaskCase) throws -> Tensor {
        let count = Float(example.labels.count { $0 != -100 })
        if let classifier = model as? SequenceClassifier { return classifier.loss(example.tokens, labels: example.labels) / count }
        return try #require(model as? any TokenTask).loss(example.tokens, targets: example.labels) / count
    }

    @Test("Scores, hidden states and pooled states are within 1e-4 of the largest")
    func answers() throws {
        try TaskCase.compare("answers") { example in
            let (model, report) = try TaskParityTests.load(example)
            #expect(report.warnings == [] && report.unused == [], "\(example.name)")
            if let logits = try example.answer("logits") {
                if let classifier = model as? SequenceClassifier {
                    #expect(try distance(classifier.scores(example.tokens), logits) < 1e-4, "\(example.name)")
                } else {
                    let found = try #require(model as? any TokenTask).logits(example.tokens)
                    #expect(try distance(example.real(found), example.real(logits)) < 1e-4, "\(example.name)")
                }
            } else {
                let recorded = try #require(try example.answer("hidden"), "\(example.name)")
                #expect(try distance(example.real(model.hiddenStates(example.tokens)), example.real(recorded)) < 1e-4, "\(example.name)")
            }
            if let pooled = try example.answer("pooled") { #expect(try distance(model.summaries(example.tokens), pooled) < 1e-4, "\(example.name)") }
            return nil
        }
    }

    @Test("The loss and the gradients of all parameters are the recorded ones, with and without recomputation", arguments: [false, true])
    func gradients(recomputes: Bool) throws {
        try TaskCase.compare("gradients") { example in
            guard let recorded = try example.answer("loss") else { return "it has no loss" }
            let model = try TaskParityTests.load(example).model
            model.setTrainable(true)
            model.recomputesBlocks = recomputes
            let loss = try TaskParityTests.loss(model, example)
            #expect(try distance(loss.reshaped(1), recorded) < 1e-5, "\(example.name)")
            loss.backward()
            var compared: Set<String> = []
            for (name, parameter) in model.namedParameters() where compared.insert("grad/\(name)").inserted {
                guard let expected = try example.answer("grad/\(name)") else {
                    // The reference gives no gradient to what nothing depends on.
                    let gradient = try parameter.gradient?.floats() ?? []
                    #expect(gradient.allSatisfy { $0 == 0 }, "\(example.name): \(name)")
                    compared.remove("grad/\(name)")
                    continue
                }
                let gradient = try #require(parameter.gradient, "\(example.name): \(name)")
                // A key's bias, say, moves all scores of a query alike: its gradient is rounding alone, there as here.
                if try expected.floats().allSatisfy({ abs($0) < 1e-6 }) {
                    #expect(try gradient.floats().allSatisfy { abs($0) < 1e-6 }, "\(example.name): \(name)")
                } else {
                    #expect(try distance(gradient, expected) < 1e-4, "\(example.name): \(name)")
                }
            }
            #expect(compared == example.gradientNames, "\(example.name)")
            return nil
        }
    }

    @Test("Evaluating gives the recorded loss, and the share of the labels that score highest")
    func evaluation() throws {
        try TaskCase.compare("evaluation") { example in
            guard example.task == .sequenceClassification || example.task == .tokenClassification else { return "it is no classifier" }
            let (loss, logits) = (try #require(try example.answer("loss")), try #require(try example.answer("logits")))
            let best = try logits.argMax().integers()
            let correct = zip(best, example.labels).count { $1 != -100 && $0 == Int($1) }
            let model = try TaskParityTests.load(example).model
            let found =
                if let classifier = model as? SequenceClassifier {
                    try classifier.evaluate(example.labeled)
                } else {
                    try #require(model as? TokenClassifier).evaluate(example.labeled)
                }
            #expect(found.correct == correct && found.labels == example.labels.count { $0 != -100 }, "\(example.name)")
            #expect(try abs(found.nll - Double(loss.item())) < 1e-4, "\(example.name)")
            return nil
        }
    }

    @Test("DeBERTa's buckets of relative positions are the recorded ones, for every distance")
    func buckets() throws {
        let file = try MappedFile(path: "\(ParityCases.folder)/tasks/buckets.json")
        guard case .array(let cases) = try JSONValue(file) else { throw ModelFileError.malformed(path: file.path, "is not a list of cases") }
        try ParityTally.compare("buckets of relative positions", cases) { example in
            guard case .object(let object) = example else { return "it is no object" }
            let fields = ConfigurationFields(object, path: file.path)
            let relative = DebertaConfiguration.Relative(span: try fields.require("span"), farthest: try fields.require("farthest"))
            let recorded = try fields.require("buckets", as: [Int].self)
            for (distance, bucket) in recorded.enumerated() {
                let row = min(bucket + relative.span, 2 * relative.span - 1)
                #expect(relative.bucket(distance) == row, "\(relative) at \(distance)")
                #expect(relative.bucket(-distance) == max(relative.span - bucket, 0), "\(relative) at \(-distance)")
            }
            return nil
        }
    }

    @Test("The layers that the reference quantizes are quantized, but for classifiers, which config.json then names")
    func quantizedLayers() throws {
        try TaskCase.compare("quantized layers") { example in
            let report = try TaskParityTests.load(example, .tested(.fourBit(.nf4))).report
            let kept = Set(report.kept.map(\.path)).intersection(example.quantized)
            #expect(Set(report.quantized.map(\.path)).union(kept) == Set(example.quantized), "\(example.name)")
            #expect(report.quantized.count + kept.count == example.quantized.count, "\(example.name)")
            #expect(kept.isSubset(of: ["classifier", "classifier.out_proj"]), "\(example.name)")
            let scratch = try TemporaryFolder()
            _ = try CheckpointQuantizer(example.folder, to: ModelQuantization(.fourBit(.nf4))).write(to: "\(scratch.path)/m")
            let written = try #require(try ModelConfiguration(ModelFolder(path: "\(scratch.path)/m")).quantization)
            #expect(Set(written.skipModules ?? []) == kept, "\(example.name)")
            return nil
        }
    }
}
