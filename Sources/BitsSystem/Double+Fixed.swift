extension Double {
    /// The value with `digits` decimals, rounded as C's `printf` rounds: exactly, ties to even.
    package func fixed(digits: Int) -> String {
        var bytes = [CChar](repeating: 0, count: 400 + digits)
        let capacity = bytes.count
        let count = unsafe withVaList([Int32(digits), self]) { unsafe vsnprintf(&bytes, capacity, "%.*f", $0) }
        return String(decoding: bytes.prefix(max(0, Int(count))).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
