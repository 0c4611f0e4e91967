import BitsCore
import BitsIO
import BitsSystem
import Testing
import _BitsTestSupport

/// Folders without a tokenizer.json, held against what transformers or sentencepiece answered (Cases/record-tokenizer-formats.py).
@Suite("Tokenizer formats")
struct TokenizerFormatTests {
    struct Recorded: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let answers: ConfigurationFields

        /// The files and their bytes.
        func files() throws -> [(name: String, bytes: [UInt8])] {
            let files = try answers.require("files", as: JSONObject.self)
            return try files.keys.map { name in
                guard case .string(let text) = files[name], let bytes = decodedBase64(text) else {
                    throw ModelFileError.malformed(path: name, "base64")
                }
                return (name, bytes)
            }
        }

        func folder(changing change: (String, [UInt8]) -> [UInt8] = { $1 }) throws -> TemporaryFolder {
            let folder = try TemporaryFolder()
            for file in try files() { _ = try folder.write(change(file.name, file.bytes), as: file.name) }
            return folder
        }
    }

    static let folders: [Recorded] = {
        do {
            let file = try ConfigurationFields(MappedFile(path: "\(TokenizerFixture.testFolder)/Cases/tokenizer-formats.json"))
            return try file.sections("cases").map { Recorded(testDescription: try $0.require("name"), answers: $0) }
        } catch {
            Issue.record(error)
            return []
        }
    }()

    @Test("Texts give the recorded ids, and ids the recorded texts", arguments: folders)
    func encodes(_ recorded: Recorded) throws {
        let folder = try recorded.folder()
        let tokenizer = try Tokenizer(ModelFolder(path: folder.path))
        let texts = try recorded.answers.require("texts", as: [String].self)
        let ids = try recorded.answers.require("ids", as: [[Int32]].self)
        let decoded = try recorded.answers.optional("decoded", as: [String].self)
        #expect(!texts.isEmpty && texts.count == ids.count)
        for (index, text) in texts.enumerated() {
            // Without texts it was sentencepiece that answered, which puts nothing around.
            #expect(tokenizer.encode(text, addsSpecialTokens: decoded != nil) == ids[index], "\(text.debugDescription)")
            if let decoded { #expect(tokenizer.decode(ids[index], skipsSpecialTokens: false) == decoded[index]) }
        }
    }

    @Test("A tokenizer that is saved and read again gives the same ids", arguments: folders)
    func saved(_ recorded: Recorded) throws {
        let folder = try recorded.folder()
        let tokenizer = try Tokenizer(ModelFolder(path: folder.path))
        let saved = try TemporaryFolder()
        try tokenizer.save(to: "\(saved.path)/tokenizer.json")
        let again = try Tokenizer(ModelFolder(path: saved.path))
        for text in try recorded.answers.require("texts", as: [String].self) {
            let encoded = tokenizer.encode(text, pair: "fox")
            #expect(again.encode(text, pair: "fox") == encoded)
            #expect(again.decode(encoded.ids) == tokenizer.decode(encoded.ids))
        }
    }

    @Test("Tokens are saved in UTF-8, with escapes for what JSON has to escape alone")
    func escapes() throws {
        let tokens = ["[UNK]", "\"", "\\", "\u{1}", "\u{1f}", "\n", "\u{7f}", "é", "東🙂"]
        var object = JSONObject()
        for (id, token) in tokens.enumerated() { object[token] = .number(JSONNumber(id)) }
        let file: JSONValue = ["model": ["type": "WordLevel", "unk_token": "[UNK]", "vocab": .object(object)]]
        let folder = try TemporaryFolder()
        try TokenizerFixture.tokenizer(Array(file.compactText.utf8)).save(to: "\(folder.path)/tokenizer.json")
        let saved = try MappedFile(path: "\(folder.path)/tokenizer.json")
        let text = String(decoding: saved.bytes(in: 0..<saved.byteCount), as: UTF8.self)
        #expect(text.contains(#""\"": 1, "\\": 2, "\u0001": 3, "\u001f": 4, "\u000a": 5, "\#u{7f}": 6, "é": 7, "東🙂": 8"#))
        let again = try Tokenizer(saved)
        #expect(tokens.map { again.id(of: $0) } == tokens.indices.map { Int32($0) })
    }

    @Test("Marks that the settings ask for without a name are those that the model names")
    func marks() throws {
        let folder = try #require(TokenizerFormatTests.folders.first { $0.testDescription == "byte pairs of sentencepiece" }).folder()
        let bare = try Tokenizer(ModelFolder(path: folder.path)).encode("the fox")
        try folder.write(#"{"add_bos_token": true, "add_eos_token": true}"#, as: "tokenizer_config.json")
        let tokenizer = try Tokenizer(ModelFolder(path: folder.path))
        #expect(try tokenizer.encode("the fox") == [#require(tokenizer.id(of: "<s>"))] + bare + [#require(tokenizer.id(of: "</s>"))])
    }

    @Test("A tokenizer.json keeps its fields when it is saved")
    func keepsFields() throws {
        var fixture = try TokenizerFixture(base: "llama31")
        fixture.set("truncation", ["direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 2])
        fixture.set("of_somebody_else", ["a": [1, 2.50, nil]])
        let folder = try TemporaryFolder()
        try fixture.tokenizer().save(to: "\(folder.path)/tokenizer.json")
        let saved = try ConfigurationFields(MappedFile(path: "\(folder.path)/tokenizer.json"))
        #expect(saved.object.sorted() == fixture.object.sorted())
    }

    @Test("Damage never crashes, and a file cut short is an error", arguments: folders)
    func damaged(_ recorded: Recorded) throws {
        var random = SplitMix(state: 21)
        for round in 0..<20 {
            let folder = try recorded.folder { name, bytes in
                guard name != "config.json" else { return bytes }
                var bytes = bytes
                for _ in 0..<(round < 14 ? 6 : 0) {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
                return round < 14 ? bytes : Array(bytes.prefix(Int.random(in: 0..<bytes.count, using: &random)))
            }
            guard let tokenizer = try? Tokenizer(ModelFolder(path: folder.path)) else { continue }
            _ = tokenizer.decode(tokenizer.encode("the quick <s> brown é fox 12 don't", pair: "x").ids)
        }
    }

    @Test("What cannot be read is told with the file and what was expected")
    func explains() throws {
        func message(_ files: [(String, String)]) throws -> String {
            let folder = try TemporaryFolder()
            for (name, text) in files { _ = try folder.write(Array(text.utf8), as: name) }
            let error = #expect(throws: ModelFileError.self) { try Tokenizer(ModelFolder(path: folder.path)) }
            return error.map { "\($0)" } ?? ""
        }
        #expect(try message([("config.json", "{}")]).contains("has no tokenizer.json and not tekken.json, tokenizer.model"))
        #expect(try message([("tekken.json", "[]")]).contains("holds no object"))
        #expect(try message([("tekken.json", #"{"config": {}, "vocab": []}"#)]).contains("'config.pattern'"))
        #expect(try message([("tekken.json", #"{"config": {"default_vocab_size": 20}, "vocab": []}"#)]).contains("20 special tokens"))
        #expect(try message([("tekken.json", #"{"config": {}, "vocab": [{"token_bytes": "?"}]}"#)]).contains("rank 0"))
        let twice = #"{"config": {}, "vocab": [{"token_bytes": "YQ=="}, {"token_bytes": "YQ=="}]}"#
        #expect(try message([("tekken.json", twice)]).contains("rank 1 twice"))
        #expect(
            try message([("tekken.json", #"{"config": {}, "special_tokens": [{"rank": 3, "token_str": "<s>"}], "vocab": []}"#)]).contains(
                "not those from 0 on"))
        #expect(try message([("tokenizer.model", "")]).contains("has no pieces"))
        #expect(
            try message([("tokenizer.model", "hello world, this is text")]).contains("a model of SentencePiece or a list of tiktoken's was expected"))
        #expect(try message([("tokenizer.model", "YQ== 0\nYQ== 1\n")]).contains("twice"))
        #expect(try message([("tokenizer.model", "YQ== 0\nYg== x\n")]).contains("line 2"))
        #expect(try message([("tokenizer.model", "YQ== 99999999\n")]).contains("out of range"))
        #expect(try message([("vocab.txt", "a\nb\n")]).contains("'[CLS]'"))
        #expect(try message([("vocab.json", #"{"a": 0}"#), ("merges.txt", "a b\n")]).contains("merges.txt"))
        #expect(
            try message([("tokenizer_config.json", #"{"tokenizer_class": "AlbertTokenizerFast"}"#), ("spiece.model", "YQ== 0\n")]).contains(
                "'AlbertTokenizerFast'"))
    }
}

/// The bytes of a text in base64.
private func decodedBase64(_ text: String) -> [UInt8]? {
    let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    let values = Dictionary(uniqueKeysWithValues: zip(letters, 0..<64))
    var (bits, count, bytes) = (0, 0, [UInt8]())
    for byte in text.utf8 where byte != UInt8(ascii: "=") {
        guard let value = values[byte] else { return nil }
        bits = (bits << 6 | value) & 0xffff
        count += 6
        if count >= 8 {
            count -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> count))
        }
    }
    return bytes
}
