import BitsCore
import BitsIO
import BitsModels
import BitsSystem
import CLexicon
import Testing
import _BitsTestSupport

@testable import BitsTune

@Suite("Data to train on")
struct TrainingDataTests {
    private static func tokenizer() throws -> Tokenizer {
        clexicon_link()
        return try Tokenizer(ModelFolder("lexicon-5m"))
    }

    /// Examples that can be told apart: example i has i + 2 tokens, all of them i.
    private func numbered(_ count: Int) -> [TokenizedExample] {
        (0..<count).map { TokenizedExample(ids: [Int32](repeating: Int32($0), count: $0 + 2), completionStart: 1) }
    }

    /// The first tokens of the examples of each batch, step by step until the end of an epoch.
    private func epoch(_ stream: inout BatchStream, batches: Int = 1) throws -> [[[Int32]]] {
        let epoch = stream.position.epoch
        var steps: [[[Int32]]] = []
        while stream.position.epoch == epoch { steps.append(try stream.step(of: batches).map { $0.map { $0.ids[0] } }) }
        return steps
    }

    @Test("What is learned is what follows, and the first token never is")
    func targets() {
        let example = TokenizedExample(ids: [5, 6, 7, 8, 9], learned: [0..<2, 4..<5])
        #expect(example.targets == [6, -100, -100, 9, -100])
        #expect(example.targetCount == 2)
        #expect(TokenizedExample(ids: [5], completionStart: 0).targetCount == 0)
    }

    @Test("What is too long loses its end or its start, and what is learned moves with it")
    func truncation() {
        let example = TokenizedExample(ids: [5, 6, 7, 8, 9], learned: [1..<2, 3..<5])
        #expect(example.truncated(to: 4) == TokenizedExample(ids: [5, 6, 7, 8], learned: [1..<2, 3..<4]))
        #expect(example.truncated(to: 3, .keepEnd) == TokenizedExample(ids: [7, 8, 9], learned: [1..<3]))
        #expect(example.truncated(to: 5, .keepEnd) == example)
    }

    @Test("Begin and end token stand around; of a text all is learned, of a completion it alone, unless prompts are to be")
    func encoding() throws {
        var encoder = ExampleEncoder(tokenizer: try Self.tokenizer(), beginToken: 1, endToken: 2, maximumLength: 64)
        let ids = { encoder.tokenizer.encode($0, addsSpecialTokens: false) }
        #expect(try encoder.tokens(of: .text("a tide")) == TokenizedExample(ids: [1] + ids("a tide") + [2], completionStart: 0))
        let prompt = [1] + ids("What?")
        let whole = prompt + ids(" a tide") + [2]
        let completion = TrainingText.completion(prompt: "What?", completion: " a tide")
        #expect(try encoder.tokens(of: completion) == TokenizedExample(ids: whole, completionStart: prompt.count))
        encoder.learnsPrompts = true
        #expect(try encoder.tokens(of: completion).targetCount == whole.count - 1)
    }

    @Test("Of a conversation what the assistant says is learned, with what ends its turns; without a template it is an error of its line")
    func conversation() throws {
        let source = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
        let tokenizer = try Self.tokenizer()
        var encoder = ExampleEncoder(tokenizer: tokenizer, template: try ChatTemplate(source), maximumLength: 64)
        let folder = try TemporaryFolder()
        let line =
            #"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b c"}, {"role": "user", "content": "d"}, "#
            + #"{"role": "assistant", "content": "e"}]}"#
        let file = try ExampleFile(path: folder.write("{\"text\": \"x\"}\n\(line)\n", as: "data.jsonl"))
        let example = try file.example(1, encoder)
        #expect(tokenizer.decode(example.ids) == "user: a\nassistant: b c\nuser: d\nassistant: e\n")
        #expect(example.learned.map { tokenizer.decode(example.ids[$0]).trimmingPrefix(" ") } == ["b c\n", "e\n"])
        encoder.learnsPrompts = true
        #expect(try file.example(1, encoder).targetCount == example.ids.count - 1)
        encoder.template = nil
        let error = #expect(throws: ModelFileError.self) { try file.example(1, encoder) }
        #expect("\(try #require(error))".contains("data.jsonl, line 2: has 'messages', but the model has no chat template"))
    }

    @Test("A chat template that cannot be read is an error of the first conversation alone")
    func brokenTemplate() throws {
        let folder = try TemporaryFolder()
        _ = try folder.write("{% for", as: "chat_template.jinja")
        let encoder = ExampleEncoder(
            try ModelFolder(path: folder.path), GenerationConfiguration(), tokenizer: try Self.tokenizer(), maximumLength: 64)
        let conversation = #"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}"#
        let file = try ExampleFile(path: folder.write("{\"text\": \"a b\"}\n\(conversation)\n", as: "data.jsonl"))
        #expect(try file.example(0, encoder).targetCount > 0)
        let text = "\(try #require(#expect(throws: ModelFileError.self) { try file.example(1, encoder) }))"
        #expect(
            text.contains("data.jsonl, line 2: has 'messages', and the model's chat template cannot be used: \(folder.path)/chat_template.jinja"),
            "\(text)")
    }

    @Test("What is given and what is learned can be read")
    func description() throws {
        let tokenizer = try Self.tokenizer()
        let encoder = ExampleEncoder(tokenizer: tokenizer, maximumLength: 64)
        let text = try encoder.tokens(of: .completion(prompt: "in the\nend", completion: " of the day")).described(by: tokenizer)
        let lines = text.split(separator: "\n").map { $0.filter { $0 != "|" } }
        #expect(lines == ["  given    in the\\nend", "  learned   of the day"])
    }

    @Test("An order is a permutation, another one for another seed", arguments: [1, 2, 3, 5, 64, 1000])
    func permutation(count: Int) {
        let orders = (0..<3).map { seed in
            let order = SeededOrder(count: count, using: RandomGenerator(seed: UInt64(seed)))
            return (0..<count).map { order[$0] }
        }
        for order in orders { #expect(order.sorted() == Array(0..<count)) }
        if count > 20 { #expect(Set(orders).count == 3 && !orders.contains(Array(0..<count))) }
    }

    @Test("In an order every example is as likely in every place")
    func uniformity() {
        var hits = [Int](repeating: 0, count: 36)
        for seed in 0..<6000 {
            let order = SeededOrder(count: 6, using: RandomGenerator(seed: UInt64(seed)))
            for place in 0..<6 { hits[place * 6 + order[place]] += 1 }
        }
        // Five standard deviations of 1000.
        #expect(hits.allSatisfy { abs($0 - 1000) < 145 }, "\(hits)")
    }

    @Test("An epoch has every example once, in an order of its own; without shuffling in that of the data")
    func epochs() throws {
        let data = try TrainingData(numbered(10))
        var stream = BatchStream(data, BatchPlan(.examples(4)), seed: 3)
        let (first, second) = (try epoch(&stream), try epoch(&stream))
        #expect(first.map { $0.flatMap { $0 }.count } == [4, 4, 2])
        for epoch in [first, second] { #expect(epoch.joined().joined().sorted() == (0..<10).map { Int32($0) }) }
        #expect(first != second)
        var plain = BatchStream(data, BatchPlan(.examples(4), shuffles: false), seed: 3)
        #expect(try epoch(&plain) == [[[0, 1, 2, 3]], [[4, 5, 6, 7]], [[8, 9]]])
    }

    @Test(
        "From any position the run goes on as if it had not stopped",
        arguments: [
            BatchPlan(.examples(3)), BatchPlan(.tokens(40)), BatchPlan(.examples(3), groupsByLength: true), BatchPlan(.examples(2), shuffles: false),
        ])
    func positions(plan: BatchPlan) throws {
        let data = try TrainingData(numbered(20))
        var stream = BatchStream(data, plan, seed: 9)
        for _ in 0..<25 {
            var resumed = BatchStream(data, plan, seed: 9, from: stream.position)
            let expected = try stream.step(of: 2)
            #expect(try resumed.step(of: 2) == expected)
            #expect(resumed.position == stream.position)
        }
    }

    @Test("Packed batches hold what fits, an example above the limit alone, and steps are counted beforehand")
    func packing() throws {
        let data = try TrainingData(numbered(20))
        let plan = BatchPlan(.tokens(18))
        var stream = BatchStream(data, plan, seed: 1)
        for number in 0..<3 {
            let steps = try epoch(&stream, batches: 2)
            #expect(steps.joined().joined().sorted() == (0..<20).map { Int32($0) })
            #expect(steps.joined().allSatisfy { $0.count == 1 || $0.reduce(0) { $0 + Int($1) + 2 } <= 18 })
            #expect(BatchStream.stepCount(ofEpoch: number, data, plan, seed: 1, batches: 2) == steps.count)
        }
    }

    @Test("Several batches to a step take the examples that one large batch takes")
    func accumulation() throws {
        let data = try TrainingData(numbered(22))
        var (small, large) = (BatchStream(data, BatchPlan(.examples(2)), seed: 1), BatchStream(data, BatchPlan(.examples(6)), seed: 1))
        #expect(try epoch(&small, batches: 3).map { $0.flatMap { $0 } } == epoch(&large).map { $0.flatMap { $0 } })
    }

    @Test("Grouped by length, batches are of alike examples, the longest first")
    func grouping() throws {
        let data = try TrainingData(numbered(200))
        var stream = BatchStream(data, BatchPlan(.examples(2), groupsByLength: true), seed: 1)
        let batches = try epoch(&stream).map { $0[0] }
        #expect(batches.joined().sorted() == (0..<200).map { Int32($0) })
        for window in [batches[..<64], batches[64...]] { #expect(Array(window.joined()) == window.joined().sorted(by: >)) }
    }

    @Test("An epoch takes of each file what its weight says, and over epochs every example as often")
    func weights() throws {
        let folder = try TemporaryFolder()
        let tokenizer = try Self.tokenizer()
        func file(_ letter: String, _ count: Int) throws -> ExampleFile {
            let lines = (0..<count).map { "{\"text\": \"\(letter)\(String(repeating: " \(letter)", count: $0))\"}" }
            return try ExampleFile(path: folder.write(lines.joined(separator: "\n"), as: "\(letter).jsonl"))
        }
        let encoder = ExampleEncoder(tokenizer: tokenizer, beginToken: 1, maximumLength: 512)
        let data = try TrainingData([(file("a", 5), 2), (file("b", 8), 0.5)], encoder)
        #expect(data.count == 14)
        var stream = BatchStream(data, BatchPlan(.examples(1)), seed: 1)
        var counts: [[Int32]: Int] = [:]
        while stream.position.epoch < 2 { counts[try stream.step(of: 1)[0][0].ids, default: 0] += 1 }
        let (a, b) = ((0..<5), (0..<8))
        func ids(_ letter: String, _ index: Int) throws -> [Int32] {
            try encoder.tokens(of: .text("\(letter)\(String(repeating: " \(letter)", count: index))")).ids
        }
        #expect(try a.allSatisfy { try counts[ids("a", $0)] == 4 } && b.allSatisfy { try counts[ids("b", $0)] == 1 }, "\(counts)")
    }

    @Test("Examples with nothing to learn are left out and counted; without others there is no data")
    func nothingToLearn() throws {
        let bare = TokenizedExample(ids: [1, 2], completionStart: 2)
        #expect(try TrainingData([bare] + numbered(2)).skipped == 1)
        let error = #expect(throws: TrainingError.self) { try TrainingData([bare, TokenizedExample(ids: [3], completionStart: 1)]) }
        #expect(error == .nothingToLearn(examples: 2))
        #expect(error?.description.contains("none of 2 examples") == true)
    }
}
