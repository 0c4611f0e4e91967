/// What is wrong with a JSON text, and where.
struct JSONError: Error, Equatable {
    /// Byte offset.
    var position: Int
    var reason: String
}

/// Walks through a JSON text value by value, without building a tree.
///
/// A container is opened, then asked for its next key or element until there is none; each value in between is read or skipped:
/// ```swift
/// try scanner.beginObject()
/// while let key = try scanner.nextKey() { try scanner.skipValue() }
/// ```
struct JSONScanner {
    /// Deepest nesting accepted.
    static let maximumDepth = 128

    let bytes: [UInt8]
    private(set) var position: Int
    /// Just after an opening bracket, where no comma is due.
    private var isFirst = false

    /// - Throws: when `bytes` are not UTF-8.
    init(_ bytes: [UInt8]) throws(JSONError) {
        do { _ = try UTF8Span(validating: bytes.span) } catch {
            throw JSONError(position: error.byteOffsets.lowerBound, reason: "is not UTF-8 text")
        }
        self.bytes = bytes
        position = 0
    }

    /// Continues at `position` of a text that was checked before.
    init(resuming other: JSONScanner, at position: Int) {
        bytes = other.bytes
        self.position = position
    }

    func error(_ reason: String, at position: Int? = nil) -> JSONError { JSONError(position: position ?? self.position, reason: reason) }

    /// The first byte of the next value; nil at the end.
    mutating func peek() -> UInt8? {
        skipWhitespace()
        return position < bytes.count ? bytes[position] : nil
    }

    private mutating func skipWhitespace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0a, 0x0d: position += 1
            default: return
            }
        }
    }

    private mutating func expect(_ byte: UInt8, _ what: String) throws(JSONError) {
        guard peek() == byte else { throw unexpected(what) }
        position += 1
    }

    private func unexpected(_ expected: String) -> JSONError {
        guard position < bytes.count else { return error("ends where \(expected) is expected; it may be cut short") }
        let byte = bytes[position]
        let found = byte > 0x20 && byte < 0x7f ? "'\(Character(Unicode.Scalar(byte)))'" : "byte \(byte)"
        return error("has \(found) where \(expected) is expected")
    }

    /// Checks that nothing follows.
    mutating func expectEnd() throws(JSONError) {
        if peek() != nil { throw unexpected("the end") }
    }

    // MARK: Containers

    mutating func beginObject() throws(JSONError) {
        try expect(UInt8(ascii: "{"), "'{'")
        isFirst = true
    }

    mutating func beginArray() throws(JSONError) {
        try expect(UInt8(ascii: "["), "'['")
        isFirst = true
    }

    /// Moves to the next value of an object and gives its key; nil, past the closing bracket, when there is none.
    mutating func nextKey() throws(JSONError) -> JSONText? {
        guard try moves(to: UInt8(ascii: "}"), "',' or '}'") else { return nil }
        let key = try string()
        try expect(UInt8(ascii: ":"), "':'")
        return key
    }

    /// Moves to the next value of an array; false, past the closing bracket, when there is none.
    mutating func nextElement() throws(JSONError) -> Bool {
        try moves(to: UInt8(ascii: "]"), "',' or ']'")
    }

    private mutating func moves(to closing: UInt8, _ what: String) throws(JSONError) -> Bool {
        let next = peek()
        defer { isFirst = false }
        if next == closing {
            position += 1
            return false
        }
        if !isFirst { try expect(UInt8(ascii: ","), what) }
        return true
    }

    // MARK: Values

    /// Reads a string.
    mutating func string() throws(JSONError) -> JSONText {
        try expect(UInt8(ascii: "\""), "a string")
        let start = position
        var hasEscapes = false
        while position < bytes.count {
            let byte = bytes[position]
            if byte == UInt8(ascii: "\"") {
                position += 1
                return JSONText(range: start..<position - 1, hasEscapes: hasEscapes)
            }
            if byte == UInt8(ascii: "\\") {
                hasEscapes = true
                position += 1
            } else if byte < 0x20 {
                throw error("has a control character inside a string; write it as an escape")
            }
            position += 1
        }
        position = bytes.count
        throw error("ends inside a string; it may be cut short")
    }

    /// Reads a number and gives the range of its text. NaN and the infinities are accepted as Python writes them.
    mutating func number() throws(JSONError) -> Range<Int> {
        _ = peek()
        let start = position
        if position < bytes.count, bytes[position] &- 0x30 >= 10 {
            for word in ["NaN", "Infinity", "-Infinity"] where skips(word) { return start..<position }
        }
        if position < bytes.count && bytes[position] == UInt8(ascii: "-") { position += 1 }
        let leadingZero = position < bytes.count && bytes[position] == UInt8(ascii: "0")
        let digits = skipDigits()
        guard digits > 0, !leadingZero || digits == 1 else {
            if digits == 0 { throw unexpected("a value") }
            throw error("has a number with leading zeros", at: start)
        }
        if position < bytes.count && bytes[position] == UInt8(ascii: ".") {
            position += 1
            guard skipDigits() > 0 else { throw unexpected("a digit") }
        }
        if position < bytes.count && bytes[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            if position < bytes.count && (bytes[position] == UInt8(ascii: "+") || bytes[position] == UInt8(ascii: "-")) { position += 1 }
            guard skipDigits() > 0 else { throw unexpected("a digit") }
        }
        return start..<position
    }

    private mutating func skipDigits() -> Int {
        let start = position
        while position < bytes.count && bytes[position] &- 0x30 < 10 { position += 1 }
        return position - start
    }

    /// Reads a whole number that is not negative.
    mutating func count() throws(JSONError) -> Int {
        let range = try number()
        var value = 0
        for index in range {
            guard bytes[index] &- 0x30 < 10 else { throw error("has '\(text(range))' where a whole number from 0 is expected", at: range.lowerBound) }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(Int(bytes[index] &- 0x30))
            guard !overflow && !carry else { throw error("has the number \(text(range)), which is too large", at: range.lowerBound) }
            value = sum
        }
        return value
    }

    /// Reads `true`, `false` or `null`.
    mutating func literal() throws(JSONError) -> Bool? {
        _ = peek()
        if skips("true") { return true }
        if skips("false") { return false }
        if skips("null") { return nil }
        throw unexpected("a value")
    }

    private mutating func skips(_ word: StaticString) -> Bool { skips(word.description) }

    private mutating func skips(_ word: String) -> Bool {
        var end = position
        for byte in word.utf8 {
            guard end < bytes.count, bytes[end] == byte else { return false }
            end += 1
        }
        position = end
        return true
    }

    /// Skips the next value and gives the range of its text.
    mutating func skipValue(depth: Int = 0) throws(JSONError) -> Range<Int> {
        guard depth < JSONScanner.maximumDepth else { throw error("is nested deeper than \(JSONScanner.maximumDepth) levels") }
        let first = peek()
        let start = position
        switch first {
        case UInt8(ascii: "{"):
            try beginObject()
            while try nextKey() != nil { _ = try skipValue(depth: depth + 1) }
        case UInt8(ascii: "["):
            try beginArray()
            while try nextElement() { _ = try skipValue(depth: depth + 1) }
        case UInt8(ascii: "\""): _ = try string()
        case UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "n"): _ = try literal()
        default: _ = try number()
        }
        return start..<position
    }

    // MARK: Text

    func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

    /// The string itself, escapes resolved.
    func text(_ string: JSONText) throws(JSONError) -> String {
        guard string.hasEscapes else { return text(string.range) }
        var result = [UInt8]()
        try unescape(string, into: &result)
        return String(decoding: result, as: UTF8.self)
    }

    /// Appends the string's UTF-8 to `result`, escapes resolved.
    func unescape(_ string: JSONText, into result: inout [UInt8]) throws(JSONError) {
        guard string.hasEscapes else {
            result.append(contentsOf: bytes[string.range])
            return
        }
        var index = string.range.lowerBound
        while index < string.range.upperBound {
            let byte = bytes[index]
            index += 1
            guard byte == UInt8(ascii: "\\") else {
                result.append(byte)
                continue
            }
            let escape = bytes[index]
            index += 1
            switch escape {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): result.append(escape)
            case UInt8(ascii: "b"): result.append(0x08)
            case UInt8(ascii: "f"): result.append(0x0c)
            case UInt8(ascii: "n"): result.append(0x0a)
            case UInt8(ascii: "r"): result.append(0x0d)
            case UInt8(ascii: "t"): result.append(0x09)
            case UInt8(ascii: "u"): try appendScalar(at: &index, before: string.range.upperBound, to: &result)
            default: throw error("has an unknown escape in a string", at: index - 2)
            }
        }
    }

    /// Resolves the four digits after `\u`, and a second half where there is one.
    private func appendScalar(at index: inout Int, before end: Int, to result: inout [UInt8]) throws(JSONError) {
        let start = index - 2
        var value = try fourDigits(at: &index, before: end)
        if value & 0xfc00 == 0xd800, index + 1 < end, bytes[index] == UInt8(ascii: "\\"), bytes[index + 1] == UInt8(ascii: "u") {
            index += 2
            let low = try fourDigits(at: &index, before: end)
            guard low & 0xfc00 == 0xdc00 else { throw error("has half of a surrogate pair in a string", at: start) }
            value = 0x10000 + (value & 0x3ff) << 10 + (low & 0x3ff)
        }
        guard Unicode.Scalar(value) != nil else { throw error("has half of a surrogate pair in a string", at: start) }
        result.append(scalar: value)
    }

    private func fourDigits(at index: inout Int, before end: Int) throws(JSONError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard index < end, let digit = JSONScanner.hexadecimalDigit(bytes[index]) else {
                throw error("needs four hexadecimal digits after \\u", at: index)
            }
            value = value << 4 | digit
            index += 1
        }
        return value
    }

    private static func hexadecimalDigit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte & 0xf)
        case UInt8(ascii: "A")...UInt8(ascii: "F"), UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte & 0xf) + 9
        default: nil
        }
    }
}

/// Where a string lies in a JSON text, without its quotes.
struct JSONText: Equatable {
    var range: Range<Int>
    var hasEscapes: Bool
}
