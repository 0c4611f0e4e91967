public import BitsCore
internal import BitsSystem
internal import Synchronization

/// Turns text into the numbers that a model reads, and back: a Hugging Face `tokenizer.json`.
///
/// Text is cut at added tokens, normalized, cut into pieces, and each piece is encoded by the model; a template then puts special tokens around.
/// Models are byte pairs (of bytes as in GPT-2, Llama 3, Qwen, BLOOM and OPT; of characters as in Llama 2 and Mistral), unigrams (T5, DeBERTa-v3,
/// XLM-RoBERTa), word pieces (BERT) and whole words. Ids and decoded text equal those of Hugging Face's `tokenizers`. The file's truncation and padding
/// are offered, not applied. It may be used from several threads at once.
///
/// ```swift
/// let tokenizer = try Tokenizer(ModelFolder("lexicon-5m"))
/// let ids = tokenizer.encode("In the beginning")
/// let text = tokenizer.decode(ids)
/// ```
public final class Tokenizer: Sendable {
    let components: TokenizerComponents
    /// What was read, for saving.
    private let file: TokenizerFile
    /// Scratch memory that no call is using.
    private let idle = Mutex<[BytePairScratch]>([])

    /// Reads a `tokenizer.json`.
    ///
    /// - Throws: ``ModelFileError/malformed(path:_:)`` when the file is damaged, ``ModelFileError/unsupported(path:_:)`` when it uses a component
    ///   that is not implemented, which the error names.
    public init(_ file: MappedFile) throws(ModelFileError) {
        self.file = try TokenizerFile(file)
        components = try TokenizerComponents(self.file, path: file.path)
    }

    /// Reads the tokenizer of a model: its `tokenizer.json`; where it has none, a model of SentencePiece (`tokenizer.model`, `spm.model`, `spiece.model`),
    /// a list of tiktoken's, `vocab.json` with `merges.txt`, or `vocab.txt`, with the settings that lie beside it.
    public init(_ folder: ModelFolder) throws(ModelFileError) {
        let source = try TokenizerSource(folder).read()
        file = source.file
        components = try TokenizerComponents(source.file, path: source.path)
    }

    /// Writes a `tokenizer.json` that gives this tokenizer again, here and in Hugging Face's `tokenizers`. All fields that were read are kept, also those that
    /// nothing here knows.
    ///
    /// - Throws: ``ModelFileError/system(_:)`` when it cannot be written; what was there before stays then.
    public func save(to path: String) throws(ModelFileError) {
        do { try AtomicFile.write(file.json, to: path) } catch { throw .system(error) }
    }

    /// One more than the largest id.
    public var vocabularySize: Int { components.upperBound }

    /// The tokens of `text`.
    ///
    /// - Parameter addsSpecialTokens: whether the file's template puts its tokens (such as a begin mark) around. Special tokens that are written
    ///   out in the text are recognised in any case.
    public func encode(_ text: String, addsSpecialTokens: Bool = true) -> [Int32] {
        let tokens = tokens(of: Array(text.utf8))
        return addsSpecialTokens ? components.postProcessor.apply(tokens) : tokens
    }

    /// The tokens of `text`, or of a pair of texts, with their segments.
    ///
    /// - Parameters:
    ///   - pair: a second text, which the template puts behind the first: an answer to its question, say.
    ///   - addsSpecialTokens: whether the template's tokens are put around.
    ///   - truncation: cuts what is too long before the template's tokens are put around. The file's own is ``truncation``.
    public func encode(
        _ text: String, pair: String?, addsSpecialTokens: Bool = true, truncation: TruncationRule? = nil
    ) -> EncodedText {
        var texts = [tokens(of: Array(text.utf8))]
        if let pair { texts.append(tokens(of: Array(pair.utf8))) }
        if let truncation {
            let added = addsSpecialTokens ? components.postProcessor.addedCount(isPair: pair != nil) : 0
            texts = truncation.apply(texts, addedCount: added)
        }
        return components.postProcessor.apply(texts, addsSpecialTokens: addsSpecialTokens)
    }

    /// How the file says that texts are cut; nil where it does not.
    public var truncation: TruncationRule? { components.truncation }

    /// How the file says that texts are filled up; nil where it does not.
    public var padding: PaddingRule? { components.padding }

    private func tokens(of text: [UInt8]) -> [Int32] {
        var scratch = idle.withLock { $0.popLast() } ?? BytePairScratch()
        defer { idle.withLock { if $0.count < 8 { $0.append(scratch) } } }
        var output = [Int32]()
        output.reserveCapacity(text.count / 4 + 8)
        for part in components.literalTokens.parts(of: text.span) {
            switch part {
            case .token(let id): output.append(id)
            case .text(let range): encode(text, range, into: &output, &scratch)
            }
        }
        return output
    }

    /// A part of `text` without literal tokens.
    private func encode(_ text: [UInt8], _ range: Range<Int>, into output: inout [Int32], _ scratch: inout BytePairScratch) {
        let isWhole = range.count == text.count
        let normalized = components.normalizer.isEmpty && isWhole ? text : components.normalizer.apply(Array(text[range]))
        let parts = components.normalizedTokens.isEmpty ? [.text(0..<normalized.count)] : components.normalizedTokens.parts(of: normalized.span)
        for part in parts {
            switch part {
            case .token(let id): output.append(id)
            case .text(let inner) where !inner.isEmpty:
                let isStart = range.lowerBound == 0 && inner.lowerBound == 0
                components.preTokenizer.split(normalized.span.extracting(inner), isStart: isStart) { piece in
                    components.model.encode(piece, into: &output, scratch: &scratch)
                }
            case .text: break
            }
        }
    }

    /// The text of `tokens`. Ids that do not exist are left out; bytes that are no UTF-8 become U+FFFD.
    ///
    /// - Parameter skipsSpecialTokens: leaves out tokens marked as special.
    public func decode(_ tokens: some Sequence<Int32>, skipsSpecialTokens: Bool = true) -> String {
        var assembler = TextAssembler(components.decoder, isEager: false)
        for token in tokens { components.append(token, to: &assembler, skipsSpecialTokens: skipsSpecialTokens) }
        return assembler.finish()
    }

    /// A decoder that takes tokens one by one, as they are generated.
    public func stream(skipsSpecialTokens: Bool = true) -> TokenStream {
        TokenStream(components, skipsSpecialTokens: skipsSpecialTokens)
    }

    /// The id of a token by its text in the file (`<s>`, `Ġthe`); nil where there is none.
    public func id(of token: String) -> Int32? { components.id(of: token) }

    /// The token's text in the file; nil where there is no such id.
    public func token(_ id: Int32) -> String? { components.token(id) }

    /// Whether the token is marked as special, such as a begin or end mark.
    public func isSpecial(_ id: Int32) -> Bool { components.special.contains(id) }
}

/// Text from tokens as they come.
///
/// A character whose bytes are spread over tokens is held back until it is complete.
public struct TokenStream: Sendable {
    private let components: TokenizerComponents
    private let skipsSpecialTokens: Bool
    private var assembler: TextAssembler

    init(_ components: TokenizerComponents, skipsSpecialTokens: Bool) {
        self.components = components
        self.skipsSpecialTokens = skipsSpecialTokens
        assembler = TextAssembler(components.decoder, isEager: true)
    }

    /// Takes a token and gives the text that is settled by it, often empty.
    public mutating func append(_ token: Int32) -> String {
        components.append(token, to: &assembler, skipsSpecialTokens: skipsSpecialTokens)
        return assembler.take()
    }

    /// Gives what is still held back; bytes that make no character become U+FFFD.
    public mutating func finish() -> String { assembler.finish() }
}
