/// How BERT makes text uniform before it is cut: controls dropped, spaces around ideographs, accents and capitals gone, each where it is asked for.
struct BertCleaning: Sendable, Equatable {
    var cleansText: Bool
    var spacesIdeographs: Bool
    var stripsAccents: Bool
    var lowercases: Bool

    func apply(_ text: [UInt8]) -> [UInt8] {
        var text = text
        if cleansText { text = BertCleaning.cleaned(text.span) }
        if spacesIdeographs { text = BertCleaning.spaced(text.span) }
        if stripsAccents { text = TextMarks.removing(CleaningClass.nonspacingMark, from: NormalizationForm.decomposed.apply(text)) }
        if lowercases { text = Lowercase.apply(text) }
        return text
    }

    /// Without controls, and with a plain space for every kind of it.
    private static func cleaned(_ text: Span<UInt8>) -> [UInt8] {
        var result = [UInt8]()
        result.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            let scalar = UTF8Text.scalar(in: text, at: &index)
            switch scalar {
            case 0x20..<0x7f: result.append(UInt8(scalar))
            case 0x09, 0x0a, 0x0d: result.append(0x20)
            case 0xfffd: break
            default:
                let classes = CleaningClass.of(scalar)
                if classes & CleaningClass.control == 0 { result.append(scalar: classes & CleaningClass.space == 0 ? scalar : 0x20) }
            }
        }
        return result
    }

    private static func spaced(_ text: Span<UInt8>) -> [UInt8] {
        var result = [UInt8]()
        result.reserveCapacity(text.count + text.count / 8)
        var index = 0
        while index < text.count {
            let start = index
            let isIdeograph = BertCleaning.isIdeograph(UTF8Text.scalar(in: text, at: &index))
            if isIdeograph { result.append(0x20) }
            for byte in start..<index { result.append(text[byte]) }
            if isIdeograph { result.append(0x20) }
        }
        return result
    }

    /// The blocks of unified and compatibility ideographs, as BERT lists them.
    private static func isIdeograph(_ scalar: UInt32) -> Bool {
        guard scalar >= 0x3400 else { return false }
        return switch scalar {
        case 0x3400...0x4dbf, 0x4e00...0x9fff, 0xf900...0xfaff, 0x20000...0x2a6df, 0x2a700...0x2b81f, 0x2b920...0x2ceaf, 0x2f800...0x2fa1f: true
        default: false
        }
    }
}
