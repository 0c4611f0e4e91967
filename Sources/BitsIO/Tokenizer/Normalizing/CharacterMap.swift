/// What SentencePiece replaces characters by: a map from byte strings to texts, compiled into a double array.
///
/// The format is Darts': a unit of 32 bits each, in which a walk goes from a unit to that at its number, exclusive-or its offset, exclusive-or the next byte.
/// The texts follow each other, each ended by a zero byte.
struct CharacterMap: Sendable {
    private let units: [UInt32]
    private let texts: [UInt8]
    /// For each ASCII character: where its text begins; -1 where it has none.
    private var ascii: [Int] = []
    /// The bytes of the longest text.
    let longestText: Int

    /// - Parameter bytes: a little-endian count of bytes, so many bytes of units, the texts. Nil when they are not of this form.
    init?(_ bytes: [UInt8]) {
        guard bytes.count >= 4 else { return nil }
        func word(_ index: Int) -> UInt32 {
            (0..<4).reduce(0) { $0 | UInt32(bytes[index + $1]) << UInt32(8 * $1) }
        }
        let count = Int(word(0))
        guard count > 0, count % 4 == 0, count <= bytes.count - 4, String(validating: bytes[(4 + count)...], as: UTF8.self) != nil else { return nil }
        units = (0..<count / 4).map { word(4 + 4 * $0) }
        texts = Array(bytes[(4 + count)...])
        longestText = texts.split(separator: 0).map(\.count).max() ?? 0
        ascii = (0..<128).map { find([UInt8($0)].span) ?? -1 }
    }

    /// `text` with what the map replaces in it.
    ///
    /// A character as a reader sees it is looked up as a whole if it has fewer than six bytes, and the text of the shortest string that begins it replaces all
    /// of it; else its parts are looked up one by one.
    func apply(_ text: [UInt8]) -> [UInt8] {
        let span = text.span
        var result = [UInt8]()
        result.reserveCapacity(text.count)
        var index = 0
        while index < span.count {
            let byte = span[index]
            // No mark follows where another ASCII character does, and only a line feed makes one character with the return before it.
            if byte < 0x80, index + 1 == span.count || span[index + 1] < 0x80, byte != 0x0d {
                if ascii[Int(byte)] >= 0 { appendText(at: ascii[Int(byte)], to: &result) } else { result.append(byte) }
                index += 1
            } else {
                let end = CharacterMap.end(ofMixed: span, from: index)
                for character in String(decoding: text[index..<end], as: UTF8.self) { append(Array(character.utf8).span, to: &result) }
                index = end
            }
        }
        return result
    }

    /// Where what begins at `start` can be cut, whatever follows: between two ASCII characters that are not a return and a line feed.
    private static func end(ofMixed text: Span<UInt8>, from start: Int) -> Int {
        var index = start + 1
        while index < text.count && !(text[index - 1] < 0x80 && text[index] < 0x80 && text[index - 1] != 0x0d) { index += 1 }
        return index
    }

    private func append(_ character: Span<UInt8>, to result: inout [UInt8]) {
        if character.count < 6, let start = find(character) { return appendText(at: start, to: &result) }
        var index = 0
        while index < character.count {
            let end = index + UTF8Text.length(startingWith: character[index])
            let scalar = character.extracting(index..<end)
            if let start = find(scalar) { appendText(at: start, to: &result) } else { result.append(scalar) }
            index = end
        }
    }

    private func appendText(at start: Int, to result: inout [UInt8]) {
        var index = start
        while index < texts.count && texts[index] != 0 {
            result.append(texts[index])
            index += 1
        }
    }

    /// Where the text of the shortest string that begins `key` begins.
    private func find(_ key: Span<UInt8>) -> Int? {
        var position = CharacterMap.offset(units[0])
        for index in key.indices {
            let byte = UInt32(key[index])
            position ^= Int(byte)
            guard byte != 0, position < units.count, units[position] & 0x8000_00ff == byte else { return nil }
            let hasValue = units[position] >> 8 & 1 == 1
            position ^= CharacterMap.offset(units[position])
            if hasValue {
                guard position < units.count else { return nil }
                let start = Int(units[position] & 0x7fff_ffff)
                return start <= texts.count ? start : nil
            }
        }
        return nil
    }

    private static func offset(_ unit: UInt32) -> Int { Int((unit >> 10) << ((unit & 1 << 9) >> 6)) }
}
