/// The time of day where the process runs.
package enum LocalTime {
    /// The time now, as C's `strftime` writes it; empty where the result has more than 1,000 bytes.
    package static func now(_ format: String) -> String { text(format, at: time(nil)) }

    /// The same for a time in seconds since 1970.
    package static func text(_ format: String, at seconds: Int) -> String {
        var seconds = time_t(seconds)
        var parts = unsafe tm()
        guard unsafe localtime_r(&seconds, &parts) != nil else { return "" }
        var bytes = [CChar](repeating: 0, count: 1001)
        let count = unsafe strftime(&bytes, bytes.count, format, &parts)
        return String(decoding: bytes.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
