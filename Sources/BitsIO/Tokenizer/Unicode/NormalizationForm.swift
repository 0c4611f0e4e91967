/// Unicode's normalization forms: characters decomposed or composed, marks in canonical order.
///
/// The Unicode Standard, section 3.11; Hangul by arithmetic, the rest by ``NormalizationData``. Only parts of a text that may change are touched.
enum NormalizationForm: String, Sendable {
    /// Composed where that is possible, and decomposed.
    case composed = "NFC"
    case decomposed = "NFD"
    /// The same, with characters that differ in looks alone taken for one another.
    case compatiblyComposed = "NFKC"
    case compatiblyDecomposed = "NFKD"

    private var tables: NormalizationTables { self == .composed || self == .decomposed ? .canonical : .compatible }
    private var composes: Bool { self == .composed || self == .compatiblyComposed }

    /// How many bytes one may become.
    var growth: Int { self == .composed || self == .decomposed ? 3 : 11 }

    /// `text` in this form; it takes n log n where it is one long run of marks, else n.
    func apply(_ text: [UInt8]) -> [UInt8] {
        let tables = tables
        let composes = composes
        let suspects = composes ? tables.composedSuspects : tables.decomposedSuspects
        let span = text.span
        var result = [UInt8]()
        var part = [UInt32]()
        var done = 0
        // Where the latest character that stays starts: marks behind it may compose with it.
        var base = 0
        var index = 0
        while index < span.count {
            let start = index
            // Nothing below U+00A0 changes.
            guard span[index] >= 0xc2, suspects.contains(UTF8Text.scalar(in: span, at: &index)) else {
                if index == start { index += 1 }
                base = start
                continue
            }
            let partStart = composes ? base : start
            part.removeAll(keepingCapacity: true)
            var end = partStart
            while end < span.count {
                var next = end
                let scalar = UTF8Text.scalar(in: span, at: &next)
                guard end < index || suspects.contains(scalar) else { break }
                tables.decompose(scalar, into: &part)
                end = next
            }
            tables.order(&part)
            if composes { tables.compose(&part) }
            result.append(contentsOf: text[done..<partStart])
            for scalar in part { result.append(scalar: scalar) }
            (done, base, index) = (end, end, end)
        }
        guard done > 0 else { return text }
        result.append(contentsOf: text[done...])
        return result
    }
}
