import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsSystem
import BitsTune
import Testing
import _BitsTestSupport

@Suite("Evaluating tasks")
struct TaskEvaluationTests {
    private static func model<Task: RegisteredTask>(_ task: Task.Type) throws -> Task {
        let fields: JSONObject = [
            "model_type": "bert", "vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24,
            "max_position_embeddings": 16, "num_labels": 3,
        ]
        let model = try Task(ModelConfiguration(ConfigurationFields(fields, path: "config.json")))
        try model.load(from: RandomWeights(for: model, standardDeviation: 0.4, using: RandomGenerator(seed: 5)))
        return model
    }

    private let sequences = (0..<7).map { (index: Int32) in
        let ids: [Int32] = (0..<5 + index).map { (place: Int32) in (place * 7 + index) % 40 }
        return LabeledSequence(ids, labels: [index == 2 ? -100 : index % 3])
    }

    @Test("Of sequences the accuracy and the likelihood are those of their scores, one by one, however many run together", arguments: [1, 20, 4096])
    func classification(tokensPerPass: Int) throws {
        let model = try TaskEvaluationTests.model(SequenceClassifier.self)
        let found = try model.evaluate(sequences, tokensPerPass: tokensPerPass)
        let counted = sequences.filter { $0.labels != [-100] }
        var (correct, sum) = (0, 0.0)
        for sequence in counted {
            let scores = model.scores(TokenBatch(sequence.ids))
            if try scores.argMax().integers() == [Int(sequence.labels[0])] { correct += 1 }
            sum += Double(try scores.crossEntropy(Tensor(sequence.labels)).sum().item())
        }
        #expect(found.labels == 6 && found.correct == correct && found.accuracy == Double(correct) / 6)
        #expect(abs(found.nll - sum / 6) < 1e-5)
    }

    @Test("Of tokens the same, with segments")
    func tokens() throws {
        let model = try TaskEvaluationTests.model(TokenClassifier.self)
        let tagged = sequences.map { sequence in
            LabeledSequence(
                sequence.ids, segments: sequence.ids.indices.map { $0 < 3 ? 0 : 1 },
                labels: sequence.ids.indices.map { $0 == 1 ? -100 : Int32($0 % 3) })
        }
        let found = try model.evaluate(tagged, tokensPerPass: 24)
        let batch = TokenBatch(packing: tagged.map(\.ids), segments: tagged.map { $0.segments ?? [] })
        let (targets, count) = (tagged.flatMap(\.labels), tagged.reduce(0) { $0 + $1.ids.count - 1 })
        #expect(found.labels == count)
        #expect(try abs(found.nll - Double(model.loss(batch, targets: targets).item()) / Double(count)) < 1e-5)
        let best = try model.logits(batch).reshaped(targets.count, -1).argMax().integers()
        #expect(found.correct == zip(best, targets).count { $0 == Int($1) })
    }

    @Test("What a classifier cannot take is refused with the example that has it")
    func refused() throws {
        let model = try TaskEvaluationTests.model(SequenceClassifier.self)
        func problem(_ sequence: LabeledSequence) -> EvaluationError? {
            do throws(EvaluationError) { _ = try model.evaluate([sequences[0], sequence]) } catch { return error }
            return nil
        }
        #expect(problem(LabeledSequence([], labels: [0])) == .lengthOutOfRange(0, context: 16, example: 1))
        #expect(problem(LabeledSequence([Int32](repeating: 1, count: 17), labels: [0])) == .lengthOutOfRange(17, context: 16, example: 1))
        #expect(problem(LabeledSequence([1, 40], labels: [0])) == .unknownToken(40, vocabulary: 40))
        #expect(problem(LabeledSequence([1], labels: [3])) == .unknownLabel(3, classes: 3, example: 1))
        #expect(problem(LabeledSequence([1], labels: [0, 1])) == .labelCount(2, expected: 1, example: 1))
        #expect(throws: EvaluationError.noLabels) { try model.evaluate([LabeledSequence([1], labels: [-100])]) }
        let broken = try TaskEvaluationTests.model(SequenceClassifier.self)
        broken.namedParameters().last?.parameter.value = .full(.nan, shape: [3])
        #expect(throws: EvaluationError.notANumberInExamples(0..<7)) { try broken.evaluate(sequences) }
    }

    @Test("Windows hide about the share that is asked for and at least one token, the same for a seed, and never the frame")
    func masking() throws {
        let model = try TaskEvaluationTests.model(MaskedLanguageModel.self)
        let text = (0..<1000).map { Int32(5 + $0 % 30) }
        func windows(_ share: Float, seed: UInt64 = 1) throws -> [(ids: [Int32], targets: [Int32])] {
            try MaskedWindows(
                text, length: 12, mask: 3, share: share, frame: TokenFrame(before: [1], behind: [2]), using: RandomGenerator(seed: seed), model: model
            ).windows
        }
        let all = try windows(0.3)
        #expect(all.count == 100)
        for (index, window) in all.enumerated() {
            #expect(window.ids.first == 1 && window.ids.last == 2 && window.targets.first == -100 && window.targets.last == -100)
            #expect(window.targets.contains { $0 != -100 })
            let restored = zip(window.ids, window.targets).map { $0 == 3 ? $1 : $0 }
            #expect(Array(restored[1..<11]) == Array(text[index * 10..<(index + 1) * 10]))
            #expect(zip(window.ids, window.targets).allSatisfy { ($0 == 3) == ($1 != -100) })
        }
        let hidden = all.reduce(0) { $0 + $1.targets.count { $0 != -100 } }
        #expect(250...350 ~= hidden)
        #expect(try windows(0.3).map(\.ids) == all.map(\.ids) && windows(0.3, seed: 2).map(\.ids) != all.map(\.ids))
        #expect(try windows(1e-6).allSatisfy { $0.targets.count { $0 != -100 } == 1 })
        #expect(try windows(1).allSatisfy { $0.ids.count { $0 == 3 } == 10 })
    }

    @Test("The likelihood of masked tokens is the mean over all windows", arguments: [1, 30, 4096])
    func masked(tokensPerPass: Int) throws {
        let model = try TaskEvaluationTests.model(MaskedLanguageModel.self)
        let masked = try MaskedWindows((0..<80).map { Int32($0 % 40) }, length: 16, mask: 3, using: RandomGenerator(seed: 1), model: model)
        let found = try model.evaluate(masked, tokensPerPass: tokensPerPass)
        let sums = try masked.windows.map { try Double(model.loss(TokenBatch($0.ids), targets: $0.targets).item()) }
        let count = masked.windows.reduce(0) { $0 + $1.targets.count { $0 != -100 } }
        #expect(found.windows == 5 && found.tokens == count && abs(found.nll - sums.reduce(0, +) / Double(count)) < 1e-5)
        #expect(throws: EvaluationError.windowOutOfRange(17, context: 16)) {
            try MaskedWindows([1, 2], length: 17, mask: 3, using: RandomGenerator(seed: 1), model: model)
        }
        #expect(throws: EvaluationError.textTooShort(tokens: 2, window: 4)) {
            try MaskedWindows([1, 2], length: 4, mask: 3, using: RandomGenerator(seed: 1), model: model)
        }
    }
}

@Suite("Texts with labels")
struct LabeledTextTests {
    private func read(_ text: String, as name: String = "x.jsonl", labels: [String] = ["no", "yes"]) throws -> [LabeledText] {
        let folder = try TemporaryFolder()
        try folder.write(text, as: name)
        return try LabeledText.read(MappedFile(path: "\(folder.path)/\(name)"), labels: labels)
    }

    static let forms: [(name: String, text: String)] = [
        ("x.jsonl", "{\"text\": \"a, b\", \"label\": 1}\n\n{\"sentence\": \"c\", \"label\": \"no\", \"idx\": 3}\n"),
        ("x.tsv", "a, b\tyes\nc\t0"), ("x.tsv", "Sentence\tLabel\r\na, b\t1\r\nc\tno\r\n"), ("x.csv", "label,text\nyes,\"a, b\"\n0,c\n"),
    ]

    @Test("Lines of JSON and tables with and without names of columns say the same", arguments: forms)
    func read(name: String, text: String) throws {
        #expect(try read(text, as: name) == [LabeledText("a, b", label: 1), LabeledText("c", label: 0)])
    }

    @Test("A second text is read where there is one")
    func pairs() throws {
        let expected = [LabeledText("a", pair: "b", label: 1)]
        #expect(try read("{\"text\": \"a\", \"text_pair\": \"b\", \"label\": 1}") == expected)
        #expect(try read("a\tb\t1", as: "x.tsv") == expected)
        #expect(try read("{\"premise\": \"a\", \"hypothesis\": \"b\", \"label\": \"yes\"}") == expected)
    }

    static let broken: [(name: String, text: String, reason: String)] = [
        ("x.jsonl", "{\"text\": \"a\", \"label\": 1}\n{\"text\": \"a\"}", "line 2: has the fields text; 'text' and 'label'"),
        ("x.jsonl", "\n\n{\"text\": \"a\", \"label\": \"maybe\"}", "line 3: has the label \"maybe\"; a number from 0, or one of no, yes"),
        ("x.jsonl", "{\"text\": \"a\", \"label\": 1.5}", "line 1: has the label 1.5"), ("x.jsonl", "3", "line 1: is not an object"),
        ("x.jsonl", "[1]", "line 1: begins a JSON list; one object a line was expected"),
        ("x.tsv", "a\t1\nb\n", "line 2: has 1 fields; 2 were expected: text, label"), ("x.jsonl", " \n", "has no examples"),
        ("x.csv", "text,label\n\"a,1\n", "line 2: has a quote that is not closed"),
    ]

    @Test("What is broken is named with file and line", arguments: broken)
    func named(name: String, text: String, reason: String) throws {
        let problem = try #require(throws: ModelFileError.self) { try read(text, as: name) }
        #expect(problem.description.contains(reason), "\(problem)")
    }
}
