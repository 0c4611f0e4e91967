/// What is wrong with a message of Protocol Buffers, and where.
struct ProtobufError: Error {
    /// Byte offset.
    var position: Int
    var reason: String
}

/// Walks through a message of Protocol Buffers, field by field.
struct ProtobufReader {
    /// A field's value as it lies in the message.
    enum Value {
        /// A whole number, or the bits of one of fixed size.
        case number(UInt64)
        /// Text, bytes, or a message inside.
        case bytes(ArraySlice<UInt8>)
    }

    private var rest: ArraySlice<UInt8>

    init(_ message: ArraySlice<UInt8>) { rest = message }

    /// The next field's number and value; nil at the end.
    mutating func next() throws(ProtobufError) -> (field: Int, value: Value)? {
        guard !rest.isEmpty else { return nil }
        let position = rest.startIndex
        let tag = try number()
        guard tag >> 3 > 0, tag >> 3 < 1 << 29 else { throw ProtobufError(position: position, reason: "has a field of number \(tag >> 3)") }
        let field = Int(tag >> 3)
        switch tag & 7 {
        case 0: return (field, .number(try number()))
        case 1: return (field, .number(ProtobufReader.fixed(try take(8))))
        case 2:
            let count = try number()
            guard count <= UInt64(rest.count) else { throw ended("\(count) bytes") }
            return (field, .bytes(try take(Int(count))))
        case 5: return (field, .number(ProtobufReader.fixed(try take(4))))
        case let type: throw ProtobufError(position: position, reason: "has a field of type \(type)")
        }
    }

    private mutating func number() throws(ProtobufError) -> UInt64 {
        var value: UInt64 = 0
        for place in 0..<10 {
            guard let byte = rest.popFirst() else { throw ended("a number") }
            value |= UInt64(byte & 0x7f) << UInt64(7 * place)
            if byte < 0x80 { return value }
        }
        throw ProtobufError(position: rest.startIndex, reason: "has a number of more than ten bytes")
    }

    private mutating func take(_ count: Int) throws(ProtobufError) -> ArraySlice<UInt8> {
        guard count <= rest.count else { throw ended("\(count) bytes") }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    private static func fixed(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) } }

    private func ended(_ what: String) -> ProtobufError { ProtobufError(position: rest.startIndex, reason: "ends where \(what) should follow") }
}
