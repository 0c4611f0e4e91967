extension ScalarSet {
    static let whitespace = property("White_Space")
    static let digits = category("Nd")
    /// `\w` of the regular expressions in tokenizer files.
    static let word = property("word")
    /// The same in brackets, where a few of Latin-1's numbers are missing.
    static let wordInBrackets = property("word in brackets")
    /// `\w` as the tokenizers' own code has it: of added tokens that stand alone, and of splitting at white space.
    static let plainWord = property("Rust word")
    /// What splitting at punctuation splits at.
    static let punctuation = property("Rust punctuation")
    /// What splitting at digits splits at.
    static let numeric = property("Rust numeric")

    /// The characters that `\p{name}` stands for: a general category or a group of them, a script, or one of a few properties. Case, spaces,
    /// hyphens and underscores in the name do not count. Nil where there is none.
    static func named(_ name: String) -> ScalarSet? {
        let key = name.lowercased().filter { !" -_".contains($0) }
        if let groups = groups[key] { return groups.split(separator: " ").reduce(ScalarSet()) { $0.union(category($1)) } }
        if let name = CharacterData.categories.split(separator: " ").first(where: { $0.lowercased() == key }) { return category(name) }
        if let short = shortNames[key] { return named(short) }
        guard let name = properties.keys.first(where: { $0.lowercased().filter { $0 != "_" } == key }), !key.hasPrefix("rust") else { return nil }
        return property(name)
    }

    /// A bracketed class's `[:name:]`; nil where there is none.
    static func posix(_ name: String) -> ScalarSet? {
        switch name {
        case "alpha": property("Alphabetic")
        case "digit": digits
        case "alnum": property("Alphabetic").union(digits)
        case "upper": property("Uppercase")
        case "lower": property("Lowercase")
        case "space": whitespace
        case "blank": category("Zs").union(ScalarSet(9))
        case "punct": property("posix punct")
        case "cntrl": category("Cc")
        case "word": wordInBrackets
        case "xdigit": hexadecimal
        case "ascii": ScalarSet(0..<0x80)
        default: nil
        }
    }

    static let hexadecimal = ScalarSet(joining: [0x30..<0x3a, 0x41..<0x47, 0x61..<0x67])

    /// The set, and what differs from its members in case alone.
    var ignoringCase: ScalarSet {
        var parts = ranges
        for (first, second) in ScalarSet.casePairs {
            if contains(first) { parts.append(second..<second + 1) }
            if contains(second) { parts.append(first..<first + 1) }
        }
        return ScalarSet(joining: parts)
    }

    private static let groups = [
        "l": "Lu Ll Lt Lm Lo", "letter": "Lu Ll Lt Lm Lo", "lc": "Lu Ll Lt", "m": "Mn Mc Me", "mark": "Mn Mc Me", "n": "Nd Nl No",
        "number": "Nd Nl No",
        "p": "Pc Pd Ps Pe Pi Pf Po", "punctuation": "Pc Pd Ps Pe Pi Pf Po", "s": "Sm Sc Sk So", "symbol": "Sm Sc Sk So", "z": "Zs Zl Zp",
        "separator": "Zs Zl Zp", "c": "Cc Cf Cs Co Cn", "other": "Cc Cf Cs Co Cn", "any": CharacterData.categories,
    ]
    private static let shortNames = [
        "uppercaseletter": "Lu", "lowercaseletter": "Ll", "titlecaseletter": "Lt", "modifierletter": "Lm", "otherletter": "Lo",
        "nonspacingmark": "Mn", "spacingmark": "Mc", "enclosingmark": "Me", "decimalnumber": "Nd", "letternumber": "Nl", "othernumber": "No",
        "connectorpunctuation": "Pc", "dashpunctuation": "Pd", "openpunctuation": "Ps", "closepunctuation": "Pe", "otherpunctuation": "Po",
        "initialpunctuation": "Pi", "finalpunctuation": "Pf", "mathsymbol": "Sm", "currencysymbol": "Sc", "modifiersymbol": "Sk",
        "othersymbol": "So", "spaceseparator": "Zs", "lineseparator": "Zl", "paragraphseparator": "Zp", "control": "Cc", "format": "Cf",
        "privateuse": "Co", "unassigned": "Cn", "alpha": "Alphabetic", "space": "White_Space", "whitespace": "White_Space", "upper": "Uppercase",
        "lower": "Lowercase", "digit": "Nd",
    ]

    /// The characters of a general category, by its name of two letters.
    static func category(_ name: some StringProtocol) -> ScalarSet { categories[String(name)] ?? ScalarSet() }

    private static let categories: [String: ScalarSet] = {
        let names = CharacterData.categories.split(separator: " ").map { String($0) }
        let letters = Array(CharacterData.categoryLetters.utf8)
        var parts = [[Range<UInt32>]](repeating: [], count: names.count)
        var (start, length) = (UInt32(0), UInt32(0))
        var category: Int?
        func endRun() {
            guard let category else { return }
            parts[category].append(start..<start + max(length, 1))
            start += max(length, 1)
            length = 0
        }
        for byte in CharacterData.categoryRuns.utf8 {
            if let digit = hexadecimalDigit(byte) {
                length = length << 4 | digit
            } else {
                endRun()
                category = letters.firstIndex(of: byte)
            }
        }
        endRun()
        return Dictionary(uniqueKeysWithValues: zip(names, parts.map { ScalarSet(joining: $0) }))
    }()

    private static let properties: [String: (categories: Substring, differences: Substring)] = {
        let entries = CharacterData.sets.split(separator: "\n").map { $0.split(separator: ";", omittingEmptySubsequences: false) }
        return Dictionary(uniqueKeysWithValues: entries.map { (String($0[0]), ($0[1], $0[2])) })
    }()

    private static func property(_ name: String) -> ScalarSet {
        guard let parts = properties[name] else { return ScalarSet() }
        let base = parts.categories.split(separator: " ").flatMap { category($0).ranges }
        var differences = [Range<UInt32>]()
        var (position, isInside) = (UInt32(0), false)
        for count in parts.differences.split(separator: " ").compactMap({ UInt32($0, radix: 16) }) {
            if isInside { differences.append(position..<position + count) }
            position += count
            isInside.toggle()
        }
        return ScalarSet(joining: base).symmetricDifference(ScalarSet(joining: differences))
    }

    private static let casePairs: [(UInt32, UInt32)] = CharacterData.caseRuns.split(separator: " ").flatMap { run in
        let numbers = run.split(separator: ".").compactMap { UInt32($0, radix: 16) }
        return (0..<numbers[1]).map { (numbers[0] + $0 * numbers[2], numbers[0] + $0 * numbers[2] + numbers[3]) }
    }

    private static func hexadecimalDigit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case 0x30...0x39: UInt32(byte - 0x30)
        case 0x41...0x46: UInt32(byte - 0x37)
        default: nil
        }
    }
}
