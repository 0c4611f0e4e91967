import BitsIO
import Testing

@Suite("Tokenizer files")
struct TokenizerFileTests {
    private static let split = #"{"type": "Split", "pattern": {"Regex": "(a)\\1"}, "behavior": "Isolated", "invert": false}"#

    /// A normalizer that makes twelve letters of one, so many times.
    private static func growing(times: Int) -> String {
        let step = #"{"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaaaaaa"}"#
        return #"{"type": "Sequence", "normalizers": [\#([String](repeating: step, count: times).joined(separator: ", "))]}"#
    }

    @Test("A normalizer that lengthens text within reason is followed")
    func lengthening() throws {
        var fixture = try TokenizerFixture(base: "llama31")
        let expected = try fixture.tokenizer().encode(String(repeating: "a", count: 144), addsSpecialTokens: false)
        fixture.set("normalizer", try JSONValue(parsing: Array(Self.growing(times: 2).utf8)))
        #expect(try fixture.tokenizer().encode("a", addsSpecialTokens: false) == expected)
    }

    /// What is put in place of a component, and what the error must say.
    static let unsupported: [(component: String, value: String, expected: String)] = [
        ("model", #"{"type": "Markov"}"#, "model 'Markov', which is not implemented; known are BPE, Unigram"),
        ("model", #"{"dropout": 0.1}"#, "dropout"),
        ("normalizer", #"{"type": "Sequence", "normalizers": [{"type": "Titlecase"}]}"#, "normalizer 'Titlecase'"),
        ("normalizer", #"{"type": "Replace", "pattern": {"Regex": "(a)\\1"}, "content": " "}"#, #"'\1' at character 4"#),
        ("decoder", #"{"type": "Replace", "pattern": {"Regex": "(a)\\1"}, "content": " "}"#, #"'\1' at character 4"#),
        ("normalizer", growing(times: 3), "hundreds of bytes of one"),
        ("pre_tokenizer", #"{"type": "UnicodeScripts"}"#, "pre_tokenizer 'UnicodeScripts'"), ("pre_tokenizer", split, #"'\1' at character 4"#),
        ("post_processor", #"{"type": "Signature"}"#, "post_processor 'Signature'"),
        (
            "post_processor",
            #"{"type": "Sequence", "processors": [{"type": "BertProcessing", "sep": ["a", 1], "cls": ["b", 2]}, {"type": "BertProcessing", "sep": ["a", 1], "cls": ["b", 2]}]}"#,
            "two templates"
        ),
        (
            "decoder", #"{"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Vocoder"}]}"#,
            "decoder 'Vocoder', which is not implemented; known are ByteLevel"
        ),
    ]

    @Test("A component that is not implemented is an error that names it", arguments: unsupported)
    func names(_ change: (component: String, value: String, expected: String)) throws {
        var fixture = try TokenizerFixture(base: "llama31")
        fixture.set(change.component, try JSONValue(parsing: Array(change.value.utf8)))
        let error = #expect(throws: ModelFileError.self) { try fixture.tokenizer() }
        guard case .unsupported(_, let reason) = error else {
            Issue.record("\(change) gave \(String(describing: error))")
            return
        }
        #expect(reason.contains(change.expected), "\(reason)")
    }

    static let malformed: [(component: String, value: String, expected: String)] = [
        ("model", "null", "no 'model'"), ("model", "[]", "no 'model'"), ("model", #"{"vocab": {"a": 0, "a": 1}}"#, "'a' with id 1"),
        ("model", #"{"vocab": {"a": 0}, "vocab": {}}"#, "names 'vocab' twice"),
        ("model", #"{"vocab": {"a": 0}, "merges": [], "merges": []}"#, "names 'merges' twice"),
        ("model", #"{"vocab": {"a": 0}, "merges": []}, "model": {"vocab": {}}"#, "names 'model' twice"),
        ("normalizer", #"null, "normalizer": null"#, "names 'normalizer' twice"),
        ("model", #"{"vocab": {"a": 0, "b": 0}}"#, "'b' with id 0"), ("model", #"{"vocab": {"a": 99999999}}"#, "out of range"),
        ("model", #"{"vocab": {"a": -1}}"#, "whole number from 0"), ("model", #"{"vocab": {"a": "0"}}"#, "a value is expected"),
        ("model", #"{"vocab": {"a": 0}, "merges": [["a", "b"]]}"#, "not in the vocabulary"),
        ("model", #"{"vocab": {"a": 0}, "merges": [["a", "a"]]}"#, "not in the vocabulary"),
        ("model", #"{"vocab": {"a": 0}, "merges": [["a"]]}"#, "not a pair"),
        ("model", #"{"vocab": {"a": 0}, "merges": [["a", "a", "a"]]}"#, "not a pair"),
        ("model", #"{"vocab": {"a": 0}, "merges": ["aa"]}"#, "not a pair"), ("model", #"{"vocab": {"a": 0}, "merges": ["a a a"]}"#, "not a pair"),
        ("model", #"{"vocab": {"a": 0}, "merges": [], "unk_token": "b"}"#, "unk_token 'b'"),
        ("added_tokens", #"[{"content": "x"}]"#, "'added_tokens[0].id'"),
        ("added_tokens", #"[{"id": -1, "content": "x"}]"#, "out of range"),
        ("added_tokens", #"[{"id": 3, "content": 4}]"#, "'added_tokens[0].content'"),
        ("normalizer", #"{"type": "Prepend"}"#, "'normalizer.prepend'"), ("normalizer", #"{}"#, "'normalizer.type'"),
        ("normalizer", #"{"type": "Replace", "pattern": {"String": ""}, "content": " "}"#, "empty pattern"),
        ("normalizer", #"{"type": "Replace", "content": " "}"#, "no pattern"),
        ("pre_tokenizer", #"{"type": "Metaspace", "prepend_scheme": "last"}"#, "'last'"),
        ("pre_tokenizer", #"{"type": "Split", "pattern": {"String": " "}, "behavior": "Kept"}"#, "'Kept'"),
        ("pre_tokenizer", #"{"type": "Split", "behavior": "Removed"}"#, "no pattern"),
        ("pre_tokenizer", #"{"type": "CharDelimiterSplit", "delimiter": "ab"}"#, "'ab'"),
        (
            "post_processor",
            #"{"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<x>"}}, {"Sequence": {"id": "A"}}], "special_tokens": {}}"#, "'<x>'"
        ),
        ("post_processor", #"{"type": "TemplateProcessing", "single": [], "special_tokens": {}}"#, "0 times"),
        ("post_processor", #"{"type": "TemplateProcessing", "single": [{"Sequence": {"id": "C"}}], "special_tokens": {}}"#, "the text 'C'"),
        ("post_processor", #"{"type": "BertProcessing", "sep": ["[SEP]", 1]}"#, "'cls'"),
        ("post_processor", #"{"type": "RobertaProcessing", "cls": ["<s>", -1], "sep": ["</s>", 1]}"#, "'cls'"),
        ("model", #"{"type": "Unigram", "vocab": {"a": 0}}"#, "without a list of tokens and scores"),
        ("model", #"{"type": "WordPiece", "vocab": [["a", 0]]}"#, "without tokens and ids"), ("model", #"{"type": "BPE"}"#, "without tokens and ids"),
        ("model", #"{"type": "Unigram", "vocab": [["a"]]}"#, "not a text with its score"), ("model", #"{"vocab": [[]]}"#, "without text"),
        ("model", #"{"vocab": [["a", 0, 1]]}"#, "not a text with its score"), ("model", #"{"vocab": [["a", NaN]]}"#, "not a text with its score"),
        ("model", #"{"vocab": [["a", 0.5]], "unk_id": 1}"#, "unk_id 1"), ("model", #"{"vocab": [["a", 0.5]], "unk_id": -1}"#, "unk_id -1"),
        ("normalizer", #"{"type": "Precompiled", "precompiled_charsmap": "AAA"}"#, "precompiled_charsmap"),
        ("normalizer", #"{"type": "Precompiled", "precompiled_charsmap": "CAAAAA=="}"#, "precompiled_charsmap"),
        ("decoder", #"{"type": "Strip", "content": "ab", "start": 1, "stop": 0}"#, "one character"),
        ("decoder", #"{"type": "Strip", "content": "a", "start": -1, "stop": 0}"#, "counts from 0"),
        ("decoder", #"{"type": "BPEDecoder", "suffix": ""}"#, "empty suffix"), ("decoder", #"{"type": "CTC", "pad_token": ""}"#, "empty token"),
        ("truncation", #"{"max_length": -1}"#, "truncation length -1"), ("truncation", #"{"max_length": 1, "strategy": "Shortest"}"#, "'Shortest'"),
        ("truncation", #"{"max_length": 1, "direction": "Up"}"#, "'Up'"), ("padding", #"{"strategy": "Widest"}"#, "Widest"),
        ("padding", #"{"strategy": {"Fixed": 99999999}}"#, "99999999"), ("padding", #"{"direction": "Down"}"#, "'Down'"),
    ]

    @Test("A damaged component is an error that says what is wrong", arguments: malformed)
    func explains(_ change: (component: String, value: String, expected: String)) throws {
        var object = try TokenizerFixture(base: "llama31").object
        object[change.component] = nil
        var text = JSONValue.object(object).compactText
        text.removeLast()
        let error = #expect(throws: ModelFileError.self) {
            try TokenizerFixture.tokenizer(Array("\(text), \"\(change.component)\": \(change.value)}".utf8))
        }
        guard case .malformed(_, let reason) = error else {
            Issue.record("\(change) gave \(String(describing: error))")
            return
        }
        #expect(reason.contains(change.expected), "\(reason)")
    }

    @Test("Merges as strings, the vocabulary after them, and a model without a type are read too, as older files have them")
    func olderFiles() throws {
        let fixture = try TokenizerFixture(base: "llama31")
        let expected = try fixture.tokenizer().encode("the quick brown fox, 2024")
        var object = fixture.object
        guard case .object(let model) = object["model"], case .array(let merges) = model["merges"], !merges.isEmpty else {
            Issue.record("the recorded tokenizer has no merges")
            return
        }
        var older = JSONObject()
        older["merges"] = .array(
            merges.map { merge in
                guard case .array(let pair) = merge, case .string(let left) = pair[0], case .string(let right) = pair[1] else { return merge }
                return .string("\(left) \(right)")
            })
        for key in model.keys where key != "type" && key != "merges" { older[key] = model[key] }
        object["model"] = .object(older)
        #expect(try TokenizerFixture.tokenizer(Array(JSONValue.object(object).compactText.utf8)).encode("the quick brown fox, 2024") == expected)
    }

    @Test("A file of another kind or cut short is an error")
    func truncated() throws {
        #expect(throws: ModelFileError.self) { try TokenizerFixture.tokenizer([]) }
        #expect(throws: ModelFileError.self) { try TokenizerFixture.tokenizer(Array("{}".utf8)) }
        #expect(throws: ModelFileError.self) { try TokenizerFixture.tokenizer(Array("[1]".utf8)) }
        let bytes = try TokenizerFixture(base: "llama31").bytes
        var random = SplitMix(state: 9)
        for _ in 0..<200 {
            let count = Int.random(in: 0..<bytes.count, using: &random)
            #expect(throws: ModelFileError.self, "the first \(count) bytes") { try TokenizerFixture.tokenizer(Array(bytes[..<count])) }
        }
    }

    @Test("Damage never crashes, neither reading nor encoding", arguments: ["llama", "llama31"])
    func damaged(_ base: String) throws {
        let bytes = try TokenizerFixture(base: base).bytes
        var random = SplitMix(state: 13)
        for _ in 0..<300 {
            var damaged = bytes
            for _ in 0..<Int.random(in: 1...20, using: &random) {
                // Mostly in the components at the front.
                let end = Bool.random(using: &random) ? 1500 : damaged.count
                damaged[Int.random(in: 0..<end, using: &random)] = UInt8.random(in: 0x20...0x7e, using: &random)
            }
            guard let tokenizer = try? TokenizerFixture.tokenizer(damaged) else { continue }
            let ids = tokenizer.encode("the quick <s> brown é fox 12 don't")
            _ = tokenizer.decode(ids)
        }
    }
}
