/// Byte-pair encoding: characters are joined pair by pair, the earliest merge first, until none applies.
///
/// Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units", arXiv:1508.07909.
struct BytePairModel: TokenModel {
    let vocabulary: Vocabulary
    let merges: MergeTable
    /// Whether a piece that is a token itself is taken whole, whatever the merges say.
    let ignoresMerges: Bool
    /// Whether text is bytes, each one symbol to start with; else characters.
    let isByteLevel: Bool
    /// The token of characters that are in no vocabulary; nil drops them.
    let unknown: UInt32?
    /// Whether neighbouring unknown characters make one token.
    let fusesUnknown: Bool
    /// What is put before each character of a piece but the first, and behind the last, to find its token.
    let continuation: [UInt8]
    let ending: [UInt8]
    /// For each place of a byte in its piece (inside, first, last, all of it) and each byte, the token that it starts as; byte-level only.
    /// `MergeTable.none` where there is none.
    private let byteTokens: [UInt32]
    /// For each byte, the token `<0xNN>`; empty without byte fallback.
    private let fallbackTokens: [UInt32]
    /// Where text without pieces can be cut; nil where it is not to be.
    private let junctions: MergeJunctions?
    /// Whether text may be cut only between characters that are tokens: others would be dropped, or fuse.
    private let cutsKnownOnly: Bool

    init(
        vocabulary: Vocabulary, merges: [(left: UInt32, right: UInt32, merged: UInt32)], ignoresMerges: Bool, isByteLevel: Bool, unknown: UInt32?,
        fusesUnknown: Bool, fallsBackToBytes: Bool, continuation: [UInt8] = [], ending: [UInt8] = []
    ) {
        self.vocabulary = vocabulary
        self.merges = MergeTable(merges)
        self.ignoresMerges = ignoresMerges
        self.isByteLevel = isByteLevel
        self.unknown = unknown
        self.fusesUnknown = fusesUnknown
        self.continuation = continuation
        self.ending = ending
        func token(_ text: [UInt8]) -> UInt32 { vocabulary.id(of: text).map { UInt32($0) } ?? MergeTable.none }
        byteTokens = (0..<(isByteLevel ? 4 * 256 : 0)).map { index in
            let isFirst = index & BytePairModel.first != 0
            let isLast = index & BytePairModel.last != 0
            return token((isFirst ? [] : continuation) + ByteAlphabet.encoded([UInt8(index & 255)]) + (isLast ? ending : []))
        }
        fallbackTokens = fallsBackToBytes ? (0..<256).map { token(BytePairModel.fallbackText(UInt8($0))) } : []
        // Tokens that stand for other characters than those of their texts join at places that these do not tell of.
        var standsIn = [Bool](repeating: false, count: vocabulary.upperBound)
        for id in fallbackTokens + (unknown.map { [$0] } ?? []) where id != MergeTable.none { standsIn[Int(id)] = true }
        let isPlain = !isByteLevel && !ignoresMerges && continuation.isEmpty && ending.isEmpty
        let joinsStandIns = isPlain && merges.contains { standsIn[Int($0.left)] || standsIn[Int($0.right)] }
        junctions = isPlain && !joinsStandIns ? MergeJunctions(vocabulary, merges) : nil
        cutsKnownOnly = (unknown == nil || fusesUnknown) && (fallbackTokens.isEmpty || fallbackTokens.contains(MergeTable.none))
    }

    /// Places of a byte, as they are found in ``byteTokens``.
    private static let first = 1 << 8
    private static let last = 1 << 9

    /// `<0x0A>` for a line feed.
    static func fallbackText(_ byte: UInt8) -> [UInt8] {
        let digits = String(byte, radix: 16, uppercase: true)
        return Array("<0x\(byte < 16 ? "0" : "")\(digits)>".utf8)
    }

    /// Appends the tokens of `piece`.
    func encode(_ piece: Span<UInt8>, into output: inout [Int32], scratch: inout BytePairScratch) {
        guard let junctions, piece.count > 0 else { return encodeWhole(piece, into: &output, scratch: &scratch) }
        var start = 0
        var index = 0
        var lastStart = 0
        var last = UTF8Text.scalar(in: piece, at: &index)
        while index < piece.count {
            let place = index
            let scalar = UTF8Text.scalar(in: piece, at: &index)
            if !junctions.mayJoin(last, scalar), !cutsKnownOnly || isKnown(piece, lastStart..<place) && isKnown(piece, place..<index) {
                encodeWhole(piece.extracting(start..<place), into: &output, scratch: &scratch)
                start = place
            }
            (last, lastStart) = (scalar, place)
        }
        encodeWhole(piece.extracting(start..<piece.count), into: &output, scratch: &scratch)
    }

    /// Whether a character is a token, or the bytes that it falls back to are.
    private func isKnown(_ piece: Span<UInt8>, _ character: Range<Int>) -> Bool {
        if vocabulary.id(of: piece.extracting(character)) != nil { return true }
        return !fallbackTokens.isEmpty && character.allSatisfy { fallbackTokens[Int(piece[$0])] != MergeTable.none }
    }

    private func encodeWhole(_ piece: Span<UInt8>, into output: inout [Int32], scratch: inout BytePairScratch) {
        guard let key = BytePairScratch.Key(piece) else { return encodeUncached(piece, into: &output, scratch: &scratch) }
        if scratch.appendCached(key, to: &output) { return }
        let start = output.count
        encodeUncached(piece, into: &output, scratch: &scratch)
        scratch.remember(key, output, from: start)
    }

    private func encodeUncached(_ piece: Span<UInt8>, into output: inout [Int32], scratch: inout BytePairScratch) {
        if ignoresMerges, let whole = wholeToken(piece, &scratch) { return output.append(Int32(whole)) }
        scratch.symbols.removeAll(keepingCapacity: true)
        if !isByteLevel {
            appendCharacters(piece, &scratch)
        } else if !appendBytes(piece, to: &scratch.symbols) {
            // Bytes that are no tokens are characters of the alphabet that are none.
            scratch.symbols.removeAll(keepingCapacity: true)
            writeAlphabet(piece, into: &scratch.text)
            let written = scratch.text
            appendCharacters(written.span, &scratch)
        }
        if scratch.symbols.count <= BytePairScratch.shortCount {
            scratch.mergeShort(merges)
        } else {
            scratch.mergeLong(merges)
        }
        for symbol in scratch.symbols { output.append(Int32(symbol)) }
    }

    private func wholeToken(_ piece: Span<UInt8>, _ scratch: inout BytePairScratch) -> Int? {
        guard isByteLevel else { return vocabulary.id(of: piece) }
        writeAlphabet(piece, into: &scratch.text)
        return vocabulary.id(of: scratch.text.span)
    }

    /// Writes `piece` in GPT-2's alphabet.
    private func writeAlphabet(_ piece: Span<UInt8>, into text: inout [UInt8]) {
        text.removeAll(keepingCapacity: true)
        let alphabet = ByteAlphabet.scalars
        for index in piece.indices { text.append(scalar: UInt32(alphabet[Int(piece[index])])) }
    }

    /// Appends the tokens of all bytes; false when one has none.
    private func appendBytes(_ piece: Span<UInt8>, to symbols: inout [UInt32]) -> Bool {
        let end = piece.count - 1
        for index in piece.indices {
            let place = (index == 0 ? BytePairModel.first : 0) | (index == end ? BytePairModel.last : 0)
            let token = byteTokens[place | Int(piece[index])]
            if token == MergeTable.none { return false }
            symbols.append(token)
        }
        return true
    }

    private func appendCharacters(_ piece: Span<UInt8>, _ scratch: inout BytePairScratch) {
        // An unknown character's token waits for the next known one, so that its neighbours can fuse with it; bytes of a fallback go first.
        var waiting = false
        var index = 0
        while index < piece.count {
            let end = index + UTF8Text.length(startingWith: piece[index])
            let character = piece.extracting(index..<end)
            if index > 0 && !continuation.isEmpty || end == piece.count && !ending.isEmpty {
                var marked = index > 0 ? continuation : []
                for byte in character.indices { marked.append(character[byte]) }
                if end == piece.count { marked += ending }
                append(marked.span, to: &scratch.symbols, &waiting)
            } else {
                append(character, to: &scratch.symbols, &waiting)
            }
            index = end
        }
        if waiting, let unknown { scratch.symbols.append(unknown) }
    }

    /// Appends what one character starts as, with what is put before and behind it.
    @inline(__always)
    private func append(_ character: Span<UInt8>, to symbols: inout [UInt32], _ waiting: inout Bool) {
        if let id = vocabulary.id(of: character) {
            if waiting, let unknown { symbols.append(unknown) }
            waiting = false
            symbols.append(UInt32(id))
        } else if !fallbackTokens.isEmpty && character.indices.allSatisfy({ fallbackTokens[Int(character[$0])] != MergeTable.none }) {
            for index in character.indices { symbols.append(fallbackTokens[Int(character[index])]) }
        } else if let unknown {
            if waiting && !fusesUnknown { symbols.append(unknown) }
            waiting = true
        }
    }
}
