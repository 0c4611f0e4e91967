/// Takes out the spaces that cutting at punctuation leaves in English: `it ' s , do n't` becomes `it's, don't`.
enum TextCleanup {
    private static let replacements: [(pattern: [UInt8], content: [UInt8])] = [
        (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"), (" do not", " don't"), (" 's", "'s"),
        (" 've", "'ve"), (" 're", "'re"),
    ].map { (Array($0.utf8), Array($1.utf8)) }

    static func apply(_ text: [UInt8]) -> [UInt8] {
        guard text.contains(0x20) else { return text }
        return replacements.reduce(text) { text, replacement in
            TextReplacement.replacing(replacement.pattern, with: replacement.content, in: text.span)
        }
    }
}
