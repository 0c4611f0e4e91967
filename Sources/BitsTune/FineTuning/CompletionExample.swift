public import BitsCore
public import BitsIO
public import BitsModels

/// A prompt and the answer that a model is to learn.
public struct CompletionExample: Sendable, Equatable {
    public var prompt: String
    public var completion: String

    public init(prompt: String, completion: String) {
        self.prompt = prompt
        self.completion = completion
    }

    /// Reads a file of lines `{"prompt": ..., "completion": ...}`; empty lines are passed over.
    ///
    /// - Throws: ``BitsIO/ModelFileError/malformed(path:_:)`` naming the first line that is not such an object, or when there is none.
    public static func read(_ file: MappedFile) throws(ModelFileError) -> [CompletionExample] {
        var examples: [CompletionExample] = []
        for (index, line) in file.bytes(in: 0..<file.byteCount).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            guard line.contains(where: { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\r") && $0 != UInt8(ascii: "\t") }) else { continue }
            let place = "\(file.path), line \(index + 1)"
            guard case .object(let object) = try JSONValue(parsing: Array(line), path: place), case .string(let prompt)? = object["prompt"],
                case .string(let completion)? = object["completion"]
            else { throw .malformed(path: place, "is not an object with the texts 'prompt' and 'completion'") }
            examples.append(CompletionExample(prompt: prompt, completion: completion))
        }
        if examples.isEmpty {
            throw .malformed(path: file.path, "has no examples; one JSON object with 'prompt' and 'completion' a line was expected")
        }
        return examples
    }
}

/// An example in tokens: a sequence, and which of its tokens count for the loss.
public struct CompletionTokens: Sendable, Equatable {
    public var ids: [Int32]
    /// The first token of the completion; all from here on are predicted.
    public var completionStart: Int

    /// Tokens that were made elsewhere.
    public init(ids: [Int32], completionStart: Int) {
        self.ids = ids
        self.completionStart = completionStart
    }

    /// The examples of a file as `loaded` is to learn them; see ``CompletionExample/read(_:)`` for the file.
    ///
    /// - Throws: ``BitsIO/ModelFileError`` for a file that holds no examples.
    public static func read(_ file: MappedFile, for loaded: LoadedModel, tokenizer: Tokenizer) throws(ModelFileError) -> [CompletionTokens] {
        try CompletionExample.read(file).map { CompletionTokens($0, for: loaded, tokenizer: tokenizer) }
    }

    /// An example as `loaded` is to learn it: with its begin and end token, cut off at the end of its context.
    public init(_ example: CompletionExample, for loaded: LoadedModel, tokenizer: Tokenizer) {
        self.init(
            example, tokenizer: tokenizer, begin: loaded.generation.beginToken, end: loaded.generation.endTokens.first,
            maxLength: loaded.model.contextLength)
    }

    /// Begin token, prompt, completion, end token; the end is cut off at `maxLength`.
    public init(_ example: CompletionExample, tokenizer: Tokenizer, begin: Int32?, end: Int32?, maxLength: Int) {
        let prompt = (begin.map { [$0] } ?? []) + tokenizer.encode(example.prompt, addsSpecialTokens: false)
        let whole = prompt + tokenizer.encode(example.completion, addsSpecialTokens: false) + (end.map { [$0] } ?? [])
        ids = Array(whole.prefix(maxLength))
        completionStart = max(1, min(prompt.count, ids.count))
    }

    /// Tokens that count for the loss.
    public var targetCount: Int { ids.count - completionStart }
}
