/// A model of SentencePiece, `tokenizer.model` or `spm.model`: its pieces, and what is done to a text before it is cut.
struct SentencePieceFile {
    enum Kind: UInt64 {
        case normal = 1
        case unknown = 2
        case control = 3
        case userDefined = 4
        case unused = 5
        case byte = 6
    }

    struct Piece {
        /// UTF-8.
        var text: ArraySlice<UInt8>
        var score: Float = 0
        var kind = Kind.normal
    }

    enum Algorithm: UInt64 {
        case unigram = 1
        case bytePairs = 2
        case words = 3
        case characters = 4
    }

    private(set) var pieces: [Piece] = []
    private(set) var algorithm = Algorithm.unigram
    private(set) var fallsBackToBytes = false
    /// Whether no piece reaches over a space.
    private(set) var cutsAtSpaces = true
    /// Whether the mark for a space stands at the ends of words.
    private(set) var marksEnds = false
    /// Whether a text begins with a space that is not in it.
    private(set) var addsPrefix = true
    private(set) var removesExtraSpaces = true
    /// What the marks of a text's beginning and end are called.
    private(set) var beginName = "<s>"
    private(set) var endName = "</s>"
    private(set) var characterMap: ArraySlice<UInt8> = []

    /// - Throws: when the bytes are no such model. What is not known is passed over.
    init(_ bytes: [UInt8]) throws(ProtobufError) {
        var reader = ProtobufReader(bytes[...])
        while let (field, value) = try reader.next() {
            switch (field, value) {
            case (1, .bytes(let message)): pieces.append(try SentencePieceFile.piece(message))
            case (2, .bytes(let message)): try readTraining(message)
            case (3, .bytes(let message)): try readNormalizer(message)
            default: break
            }
        }
        guard !pieces.isEmpty else { throw ProtobufError(position: bytes.count, reason: "has no pieces") }
        guard pieces.count <= Vocabulary.maximumID else {
            throw ProtobufError(position: bytes.count, reason: "has \(pieces.count) pieces, of which \(Vocabulary.maximumID) can be read")
        }
    }

    private static func piece(_ message: ArraySlice<UInt8>) throws(ProtobufError) -> Piece {
        var piece = Piece(text: [])
        var reader = ProtobufReader(message)
        while let (field, value) = try reader.next() {
            switch (field, value) {
            case (1, .bytes(let text)): piece.text = text
            case (2, .number(let bits)): piece.score = Float(bitPattern: UInt32(truncatingIfNeeded: bits))
            case (3, .number(let kind)): piece.kind = Kind(rawValue: kind) ?? .normal
            default: break
            }
        }
        guard String(validating: piece.text, as: UTF8.self) != nil, !piece.score.isNaN else {
            throw ProtobufError(position: message.startIndex, reason: "has a piece that is not a text with a score")
        }
        return piece
    }

    private mutating func readTraining(_ message: ArraySlice<UInt8>) throws(ProtobufError) {
        var reader = ProtobufReader(message)
        while let (field, value) = try reader.next() {
            switch (field, value) {
            case (3, .number(let number)):
                guard let known = Algorithm(rawValue: number) else {
                    throw ProtobufError(position: message.startIndex, reason: "has the kind of model \(number)")
                }
                algorithm = known
            case (22, .number(let number)): cutsAtSpaces = number != 0
            case (24, .number(let number)): marksEnds = number != 0
            case (35, .number(let number)): fallsBackToBytes = number != 0
            case (46, .bytes(let name)): beginName = String(decoding: name, as: UTF8.self)
            case (47, .bytes(let name)): endName = String(decoding: name, as: UTF8.self)
            default: break
            }
        }
    }

    private mutating func readNormalizer(_ message: ArraySlice<UInt8>) throws(ProtobufError) {
        var reader = ProtobufReader(message)
        while let (field, value) = try reader.next() {
            switch (field, value) {
            case (2, .bytes(let map)): characterMap = map
            case (3, .number(let number)): addsPrefix = number != 0
            case (4, .number(let number)): removesExtraSpaces = number != 0
            default: break
            }
        }
    }
}
