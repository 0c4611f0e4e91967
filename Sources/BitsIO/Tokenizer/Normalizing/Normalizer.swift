/// What is done to text before it is split: the `normalizer` of tokenizer.json.
struct Normalizer: Sendable {
    enum Step {
        case prepend([UInt8])
        case replace(TextReplacement)
        case form(NormalizationForm)
        case stripped(left: Bool, right: Bool)
        case withoutAccents
        case lowercased
        case cleanedForTranslation
        case cleanedForBert(BertCleaning)
        /// Each byte as a character of GPT-2's alphabet.
        case byteLevel
        case mapped(CharacterMap)

        /// How much longer it can make a text.
        var growth: Int {
            switch self {
            case .replace(let replacement): replacement.growth
            case .form(let form): form.growth
            case .mapped(let map): max(1, map.longestText)
            case .lowercased, .byteLevel: 2
            case .cleanedForBert: 4
            case .prepend, .stripped, .withoutAccents, .cleanedForTranslation: 1
            }
        }
    }

    /// The most that all steps together may lengthen a text; those in use make some dozens of bytes of one.
    private static let growthLimit = 256

    private(set) var steps: [Step] = []

    /// Does nothing.
    init() {}

    init(_ steps: [Step]) { self.steps = steps }

    var isEmpty: Bool { steps.isEmpty }

    /// Whether the steps may lengthen a text beyond measure, so that a short prompt would fill the memory.
    var growsTooMuch: Bool {
        var growth = 1
        for step in steps {
            // Below the limit before each step, so the product fits.
            growth *= min(step.growth, Normalizer.growthLimit + 1)
            if growth > Normalizer.growthLimit { return true }
        }
        return false
    }

    func apply(_ text: [UInt8]) -> [UInt8] {
        var text = text
        for step in steps {
            switch step {
            case .prepend(let prefix): if !text.isEmpty { text = prefix + text }
            case .replace(let replacement): text = replacement.apply(text.span)
            case .form(let form): text = form.apply(text)
            case .stripped(let left, let right): text = Normalizer.stripped(text, left: left, right: right)
            case .withoutAccents: text = TextMarks.removing(CleaningClass.combiningMark, from: text)
            case .lowercased: text = Lowercase.apply(text)
            case .cleanedForTranslation: text = TranslationCleaning.apply(text)
            case .cleanedForBert(let cleaning): text = cleaning.apply(text)
            case .byteLevel: text = ByteAlphabet.encoded(text)
            case .mapped(let map): text = map.apply(text)
            }
        }
        return text
    }

    private static func stripped(_ text: [UInt8], left: Bool, right: Bool) -> [UInt8] {
        let span = text.span
        let start = left ? CharacterClass.endOfSpaces(in: span, from: 0) : 0
        let end = right ? CharacterClass.startOfSpaces(in: span, before: text.count, downTo: start) : text.count
        return Array(text[start..<end])
    }
}
