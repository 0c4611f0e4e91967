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
    /// For each byte, the token that a text of that byte starts as; byte-level only. `MergeTable.none` where there is none.
    private let byteTokens: [UInt32]
    /// For each byte, the token `<0xNN>`; empty without byte fallback.
    private let fallbackTokens: [UInt32]
    /// In text without pieces, where no merge can reach across: before this character unless it stands before it too.
    private let boundary: [UInt8]?

    init(
        vocabulary: Vocabulary, merges: [(left: UInt32, right: UInt32, merged: UInt32)], ignoresMerges: Bool, isByteLevel: Bool, unknown: UInt32?,
        fusesUnknown: Bool, fallsBackToBytes: Bool
    ) {
        self.vocabulary = vocabulary
        self.merges = MergeTable(merges)
        self.ignoresMerges = ignoresMerges
        self.isByteLevel = isByteLevel
        self.unknown = unknown
        self.fusesUnknown = fusesUnknown
        func token(_ text: [UInt8]) -> UInt32 { vocabulary.id(of: text).map { UInt32($0) } ?? MergeTable.none }
        byteTokens = isByteLevel ? (0..<256).map { token(ByteAlphabet.encoded(UInt8($0))) } : []
        fallbackTokens = fallsBackToBytes ? (0..<256).map { token(BytePairModel.fallbackText(UInt8($0))) } : []
        boundary = isByteLevel || ignoresMerges ? nil : BytePairModel.boundary(vocabulary, merges)
    }

    /// `<0x0A>` for a line feed.
    static func fallbackText(_ byte: UInt8) -> [UInt8] {
        let digits = String(byte, radix: 16, uppercase: true)
        return Array("<0x\(byte < 16 ? "0" : "")\(digits)>".utf8)
    }

    /// The mark of a word's start, when no merge makes a token in which it follows another character.
    private static func boundary(_ vocabulary: Vocabulary, _ merges: [(left: UInt32, right: UInt32, merged: UInt32)]) -> [UInt8]? {
        let mark = Array("▁".utf8)
        for merge in merges {
            let reaches = vocabulary.withText(of: Int(merge.merged)) { text in
                var seenOther = false
                var index = 0
                while index < text.count {
                    let isMark = UTF8Text.scalar(in: text, at: &index) == 0x2581
                    if isMark && seenOther { return true }
                    seenOther = seenOther || !isMark
                }
                return false
            }
            if reaches { return nil }
        }
        return mark
    }

    /// Appends the tokens of `piece`.
    func encode(_ piece: Span<UInt8>, into output: inout [Int32], scratch: inout BytePairScratch) {
        guard let boundary, piece.count > boundary.count else { return encodeWhole(piece, into: &output, scratch: &scratch) }
        var start = 0
        var index = 1
        while index + 2 < piece.count {
            if piece[index] == boundary[0], piece[index + 1] == boundary[1], piece[index + 2] == boundary[2] {
                let followsMark = index >= 3 && piece[index - 3] == boundary[0] && piece[index - 2] == boundary[1] && piece[index - 1] == boundary[2]
                // Unknown characters fuse across the boundary, so it is one only after a known token; see `endsInUnknown`.
                if !followsMark && !(fusesUnknown && unknown != nil && endsInUnknown(piece, index)) {
                    encodeWhole(piece.extracting(start..<index), into: &output, scratch: &scratch)
                    start = index
                }
                index += 3
            } else {
                index += 1
            }
        }
        encodeWhole(piece.extracting(start..<piece.count), into: &output, scratch: &scratch)
    }

    /// Whether the character before `index` is in no vocabulary and has no bytes to fall back to.
    private func endsInUnknown(_ piece: Span<UInt8>, _ index: Int) -> Bool {
        let start = UTF8Text.start(before: index, in: piece)
        guard vocabulary.id(of: piece.extracting(start..<index)) == nil else { return false }
        return fallbackTokens.isEmpty || (start..<index).contains { fallbackTokens[Int(piece[$0])] == MergeTable.none }
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
        if isByteLevel {
            for index in piece.indices { appendByte(piece[index], to: &scratch.symbols) }
        } else {
            appendCharacters(piece, to: &scratch.symbols)
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
        scratch.text.removeAll(keepingCapacity: true)
        let alphabet = ByteAlphabet.scalars
        for index in piece.indices {
            let scalar = alphabet[Int(piece[index])]
            if scalar < 0x80 {
                scratch.text.append(UInt8(scalar))
            } else {
                scratch.text.append(0xc0 | UInt8(truncatingIfNeeded: scalar >> 6))
                scratch.text.append(0x80 | UInt8(truncatingIfNeeded: scalar & 0x3f))
            }
        }
        return vocabulary.id(of: scratch.text.span)
    }

    private func appendByte(_ byte: UInt8, to symbols: inout [UInt32]) {
        let token = byteTokens[Int(byte)]
        if token != MergeTable.none {
            symbols.append(token)
        } else if let unknown, !(fusesUnknown && symbols.last == unknown) {
            symbols.append(unknown)
        }
    }

    private func appendCharacters(_ piece: Span<UInt8>, to symbols: inout [UInt32]) {
        // An unknown character's token waits for the next known one, so that its neighbours can fuse with it; bytes of a fallback go first.
        var waiting = false
        var index = 0
        while index < piece.count {
            let end = index + UTF8Text.length(startingWith: piece[index])
            defer { index = end }
            if let id = vocabulary.id(of: piece.extracting(index..<end)) {
                if waiting, let unknown { symbols.append(unknown) }
                waiting = false
                symbols.append(UInt32(id))
            } else if !fallbackTokens.isEmpty && (index..<end).allSatisfy({ fallbackTokens[Int(piece[$0])] != MergeTable.none }) {
                for index in index..<end { symbols.append(fallbackTokens[Int(piece[index])]) }
            } else if let unknown {
                if waiting && !fusesUnknown { symbols.append(unknown) }
                waiting = true
            }
        }
        if waiting, let unknown { symbols.append(unknown) }
    }
}
