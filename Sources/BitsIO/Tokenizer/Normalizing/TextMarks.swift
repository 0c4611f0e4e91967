/// Takes marks out of text.
enum TextMarks {
    /// `text` without the characters of a class of ``CleaningClass``.
    static func removing(_ marks: UInt8, from text: [UInt8]) -> [UInt8] {
        // No mark lies below U+0300.
        guard text.contains(where: { $0 >= 0xcc }) else { return text }
        let span = text.span
        var result = [UInt8]()
        result.reserveCapacity(text.count)
        var index = 0
        while index < span.count {
            let start = index
            if UTF8Text.scalar(in: span, at: &index) >= 0x300 {
                var scalarStart = start
                if CleaningClass.of(UTF8Text.scalar(in: span, at: &scalarStart)) & marks != 0 { continue }
            }
            for byte in start..<index { result.append(span[byte]) }
        }
        return result
    }
}
