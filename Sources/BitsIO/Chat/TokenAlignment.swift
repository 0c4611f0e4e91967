/// Which tokens stand for which bytes of a text.
struct TokenAlignment {
    /// Where each token ends in the text. A token that holds a part of a character ends where the character before it does, but for the last one.
    private var ends: [Int] = []

    /// Aligns by what the tokens decode to. Where that is not the text itself (a normalizer changed it, or a space was put before it), characters that are only
    /// in one of the two are passed over.
    init(of ids: [Int32], in text: [UInt8], tokenizer: Tokenizer) {
        var stream = tokenizer.stream(skipsSpecialTokens: false)
        var place = 0
        ends.reserveCapacity(ids.count)
        for (index, id) in ids.enumerated() {
            var piece = stream.append(id)
            if index == ids.count - 1 { piece += stream.finish() }
            place = TokenAlignment.end(of: Array(piece.utf8), in: text, from: place)
            ends.append(place)
        }
    }

    /// How many bytes of the text may have no token.
    private static let slack = 16

    private static func end(of piece: [UInt8], in text: [UInt8], from start: Int) -> Int {
        if text[start...].starts(with: piece) { return start + piece.count }
        // The token has a space that was put in, or is one.
        let word = piece.drop { $0 == 0x20 }
        if word.isEmpty { return start }
        for skipped in 0...min(slack, text.count - start) where text[(start + skipped)...].starts(with: word) { return start + skipped + word.count }
        return min(start + piece.count, text.count)
    }

    /// The tokens that hold a byte of `range`.
    func tokens(in range: Range<Int>) -> Range<Int> {
        guard !range.isEmpty, var first = ends.firstIndex(where: { $0 > range.lowerBound }) else { return 0..<0 }
        let last = ends.firstIndex { $0 >= range.upperBound } ?? ends.count - 1
        // Tokens before it that end at the same place as those before them hold the beginning of its first character.
        while first > 0, ends[first - 1] == (first > 1 ? ends[first - 2] : 0), ends[first - 1] == range.lowerBound { first -= 1 }
        return first..<last + 1
    }
}
