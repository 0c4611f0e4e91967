public import BitsCore

extension JSONValue {
    /// Largest JSON text that is read as a tree, in bytes.
    static let maximumByteCount = 64 << 20

    /// Reads a JSON text.
    ///
    /// Of a key that occurs twice the last value counts, as in Python; nesting goes to 128 levels.
    ///
    /// - Parameter path: names the text in errors.
    /// - Throws: ``ModelFileError/malformed(path:_:)`` with line and column, of a text of one line the column.
    public init(parsing bytes: [UInt8], path: String = "JSON text") throws(ModelFileError) {
        do {
            var scanner = try JSONScanner(bytes)
            self = try scanner.value()
            try scanner.expectEnd()
        } catch { throw error.located(in: bytes, path: path) }
    }

    /// Reads a JSON file.
    public init(_ file: MappedFile) throws(ModelFileError) {
        guard file.byteCount <= JSONValue.maximumByteCount else {
            throw .malformed(path: file.path, "has \(file.byteCount) bytes; a configuration of at most \(JSONValue.maximumByteCount) was expected")
        }
        try self.init(parsing: file.bytes(in: 0..<file.byteCount), path: file.path)
    }

    /// What kind of value it is, in words for errors.
    var kind: String {
        switch self {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .number(let number): number.text
        case .string(let text): "\"\(text.count > 40 ? "\(text.prefix(40))..." : text)\""
        case .array(let elements): "a list of \(elements.count)"
        case .object: "an object"
        }
    }
}

extension JSONScanner {
    /// Reads the next value as a tree.
    mutating func value(depth: Int = 0) throws(JSONError) -> JSONValue {
        guard depth < JSONScanner.maximumDepth else { throw error("is nested deeper than \(JSONScanner.maximumDepth) levels") }
        switch peek() {
        case UInt8(ascii: "{"):
            var object = JSONObject()
            try beginObject()
            while let key = try nextKey() { object[try text(key)] = try value(depth: depth + 1) }
            return .object(object)
        case UInt8(ascii: "["):
            var elements = [JSONValue]()
            try beginArray()
            while try nextElement() { elements.append(try value(depth: depth + 1)) }
            return .array(elements)
        case UInt8(ascii: "\""): return .string(try text(try string()))
        case UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "n"): return try literal().map { .bool($0) } ?? .null
        default: return .number(JSONNumber(text: text(try number())))
        }
    }
}

extension JSONError {
    /// The error in the file at `path`, with line and column for people; of a text of one line the column alone.
    func located(in bytes: [UInt8], path: String) -> ModelFileError {
        let before = bytes.prefix(position)
        let line = before.count { $0 == 0x0a } + 1
        let column = position - (before.lastIndex(of: 0x0a) ?? -1)
        return .malformed(path: path, "\(reason), at \(bytes.contains(0x0a) ? "line \(line), " : "")column \(column)")
    }
}
