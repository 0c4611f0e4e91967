import BitsIO
import BitsKernels
import BitsSystem
import _BitsTestSupport

/// The tokenizer.json of a recorded model, changed for a test.
struct TokenizerFixture {
    static let testFolder = #filePath.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" }

    private(set) var object: JSONObject

    /// - Parameters:
    ///   - base: `llama` (SentencePiece-like) or `llama31` (byte-level).
    ///   - changes: replace components; those of `model` replace fields of the model.
    init(base: String, changes: JSONObject = JSONObject(), added: [JSONValue] = []) throws {
        let path = "\(TokenizerFixture.testFolder)/../ParityTests/Cases/models/\(base)/model/tokenizer.json"
        object = try ConfigurationFields(MappedFile(path: path)).object
        for key in changes.keys { set(key, changes[key] ?? .null) }
        guard case .array(var tokens) = object["added_tokens"] else { return }
        if base == "llama" {
            // As in real files, bytes are ordinary tokens.
            tokens.removeAll { token in
                guard case .object(let token) = token, case .string(let content) = token["content"] else { return false }
                return content.hasPrefix("<0x")
            }
        }
        object["added_tokens"] = .array(tokens + added)
    }

    mutating func set(_ key: String, _ value: JSONValue) {
        if key == "model", case .object(let changes) = value, case .object(var model) = object["model"] {
            for key in changes.keys { model[key] = changes[key] }
            object["model"] = .object(model)
        } else {
            object[key] = value
        }
    }

    var bytes: [UInt8] { Array(JSONValue.object(object).compactText.utf8) }

    func tokenizer() throws -> Tokenizer { try TokenizerFixture.tokenizer(bytes) }

    /// The tokenizer of a file with these bytes.
    static func tokenizer(_ bytes: [UInt8]) throws -> Tokenizer {
        let folder = try TemporaryFolder()
        return try Tokenizer(MappedFile(path: try folder.write(bytes, as: "tokenizer.json")))
    }
}
