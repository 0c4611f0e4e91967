internal import BitsCore

/// The file of a model's folder that its tokenizer is read from.
///
/// tokenizer.json where it is there; else Mistral's tekken.json, a model of SentencePiece, a list of tiktoken's, byte pairs in two files, or a list of word
/// pieces.
struct TokenizerSource {
    /// Largest file accepted, in bytes.
    static let maximumByteCount = 512 << 20

    private static let sentencePieceNames = ["tokenizer.model", "spm.model", "spiece.model", "sentencepiece.bpe.model", "sentencepiece.model"]
    private static let rankNames = ["tiktoken.model", "qwen.tiktoken"]
    private static let tekkenName = "tekken.json"
    /// The files that a tokenizer may be read from, and those that say how it is used.
    static let names =
        ["tokenizer.json", "vocab.json", "merges.txt", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"]
        + sentencePieceNames + rankNames + [tekkenName]

    private let folder: ModelFolder

    init(_ folder: ModelFolder) { self.folder = folder }

    /// What tokenizer.json holds, or would hold.
    func read() throws(ModelFileError) -> (file: TokenizerFile, path: String) {
        if let file = try folder.fileIfPresent("tokenizer.json") { return (try TokenizerFile(file), file.path) }
        if let file = try folder.fileIfPresent(TokenizerSource.tekkenName) {
            return (try TokenizerFile(tekken: TokenizerSource.bytes(of: file), TokenizerSettings(folder), path: file.path), file.path)
        }
        for name in TokenizerSource.sentencePieceNames + TokenizerSource.rankNames {
            guard let file = try folder.fileIfPresent(name) else { continue }
            let bytes = try TokenizerSource.bytes(of: file)
            let settings = try TokenizerSettings(folder)
            if TokenizerSource.isList(bytes) { return (try TokenizerFile(ranks: bytes, settings, path: file.path), file.path) }
            let model: SentencePieceFile
            do { model = try SentencePieceFile(bytes) } catch {
                throw .malformed(
                    path: file.path, "\(error.reason), at byte \(error.position); a model of SentencePiece or a list of tiktoken's was expected")
            }
            return (try TokenizerFile(model, settings, path: file.path), file.path)
        }
        if let vocabulary = try folder.fileIfPresent("vocab.json"), let merges = try folder.fileIfPresent("merges.txt") {
            return (
                try TokenizerFile(
                    vocabulary: TokenizerSource.bytes(of: vocabulary), merges: TokenizerSource.bytes(of: merges), TokenizerSettings(folder),
                    path: vocabulary.path), vocabulary.path
            )
        }
        if let file = try folder.fileIfPresent("vocab.txt") {
            return (try TokenizerFile(words: TokenizerSource.bytes(of: file), TokenizerSettings(folder), path: file.path), file.path)
        }
        throw folder.missing("tokenizer.json", or: "tekken.json, tokenizer.model, spm.model, spiece.model, vocab.json with merges.txt, or vocab.txt")
    }

    static func bytes(of file: MappedFile) throws(ModelFileError) -> [UInt8] {
        guard file.byteCount <= maximumByteCount else {
            throw .malformed(path: file.path, "has \(file.byteCount) bytes; a tokenizer of at most \(maximumByteCount) was expected")
        }
        return file.bytes(in: 0..<file.byteCount)
    }

    /// Whether a file is a list of tiktoken's: its first line is a word, a space and a number. A message of SentencePiece begins with a line feed.
    private static func isList(_ bytes: [UInt8]) -> Bool {
        let line = bytes.prefix(4096).prefix { $0 != 0x0a }
        let parts = line.split(separator: 0x20)
        return parts.count == 2 && Base64.decode(parts[0]) != nil && parts[1].allSatisfy { $0 &- 0x30 < 10 || $0 == 0x0d }
    }
}

extension TokenizerFile {
    /// Reads a tokenizer.json.
    init(_ file: MappedFile) throws(ModelFileError) {
        let bytes = try TokenizerSource.bytes(of: file)
        do { try self.init(bytes) } catch { throw error.located(in: bytes, path: file.path) }
    }
}
