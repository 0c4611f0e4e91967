/// Takes out the spaces that cutting at punctuation leaves in English: `it ' s , do n't` becomes `it's, don't`.
enum TextCleanup {
    private static let replacements: [(pattern: [UInt8], content: [UInt8])] = [
        (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"), (" do not", " don't"), (" 's", "'s"),
        (" 've", "'ve"), (" 're", "'re"),
    ].map { (Array($0.utf8), Array($1.utf8)) }

    static func apply(_ text: [UInt8]) -> [UInt8] {
        guard mayChange(text) else { return text }
        return replacements.reduce(text) { text, replacement in
            TextReplacement.replacing(replacement.pattern, with: replacement.content, in: text.span)
        }
    }

    /// Whether a space stands before what one of the patterns begins with.
    private static func mayChange(_ text: [UInt8]) -> Bool {
        text.indices.dropLast().contains { text[$0] == 0x20 && beginnings[Int(text[$0 + 1])] }
    }

    private static let beginnings: [Bool] = (0..<256).map { byte in replacements.contains { Int($0.pattern[1]) == byte } }
}
