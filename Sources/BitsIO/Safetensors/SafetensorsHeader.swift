public import BitsCore

/// One tensor of a safetensors file, as the header describes it, or of another file in the same words.
public struct SafetensorsEntry: Sendable, Equatable {
    public let name: String
    /// The element type as the file names it, for instance `BF16`.
    public let typeName: String
    /// The same type here; nil for one that tensors cannot have (`F64`, `I16`, ...).
    public let dtype: DType?
    public let shape: [Int]
    /// Where the bytes lie, counted from the start of the file.
    public let byteRange: Range<Int>

    public var byteCount: Int { byteRange.count }
}

/// The checked header of a safetensors file.
///
/// A file is the header's length (8 bytes, little-endian), the header (JSON), then the tensors' bytes without gaps. Every rule that a reader can
/// rely on is checked here, once.
struct SafetensorsHeader {
    /// Longest header accepted, in bytes.
    static let maximumByteCount = 100_000_000

    var metadata: [String: String] = [:]
    /// In the order of their bytes.
    var entries: [SafetensorsEntry] = []

    init(_ file: MappedFile) throws(ModelFileError) {
        guard file.byteCount >= 8 else {
            throw .malformed(path: file.path, "has \(file.byteCount) bytes; a safetensors file starts with 8 bytes of header length; it is cut short")
        }
        var length: UInt64 = 0
        for (index, byte) in file.bytes(in: 0..<8).enumerated() { length |= UInt64(byte) << UInt64(8 * index) }
        guard length > 0 else { throw .malformed(path: file.path, "has an empty header; at least {} was expected") }
        guard length <= SafetensorsHeader.maximumByteCount else {
            throw .malformed(
                path: file.path,
                "states a header of \(length) bytes; at most \(SafetensorsHeader.maximumByteCount) is allowed, so this is not a safetensors file")
        }
        let start = 8 + Int(length)
        guard start <= file.byteCount else {
            throw .malformed(path: file.path, "states a header of \(length) bytes but has only \(file.byteCount - 8) after it; it is cut short")
        }
        let bytes = file.bytes(in: 8..<start)
        do {
            var scanner = try JSONScanner(bytes)
            try read(&scanner, dataStart: start)
            entries.sort { ($0.byteRange.lowerBound, $0.byteRange.upperBound) < ($1.byteRange.lowerBound, $1.byteRange.upperBound) }
        } catch {
            throw .malformed(path: file.path, "its header \(error.reason), at byte \(8 + error.position)")
        }
        if let problem = SafetensorsHeader.gapOrOverlap(in: entries, from: start, to: file.byteCount) {
            throw .malformed(path: file.path, problem)
        }
    }

    private mutating func read(_ scanner: inout JSONScanner, dataStart: Int) throws(JSONError) {
        var names = Set<String>()
        try scanner.beginObject()
        while let key = try scanner.nextKey() {
            let name = try scanner.text(key)
            guard names.insert(name).inserted else {
                throw scanner.error("names '\(name)' twice; the file is damaged", at: key.range.lowerBound)
            }
            if name == "__metadata__" {
                try readMetadata(&scanner)
            } else {
                entries.append(try SafetensorsHeader.entry(name, &scanner, dataStart: dataStart))
            }
        }
        try scanner.expectEnd()
    }

    private mutating func readMetadata(_ scanner: inout JSONScanner) throws(JSONError) {
        if scanner.peek() == UInt8(ascii: "n") {
            _ = try scanner.literal()
            return
        }
        try scanner.beginObject()
        while let key = try scanner.nextKey() { metadata[try scanner.text(key)] = try scanner.text(try scanner.string()) }
    }

    private static func entry(_ name: String, _ scanner: inout JSONScanner, dataStart: Int) throws(JSONError) -> SafetensorsEntry {
        _ = scanner.peek()
        let position = scanner.position
        var type: SafetensorsType?
        var shape: [Int]?
        var offsets: [Int]?
        try scanner.beginObject()
        while let key = try scanner.nextKey() {
            switch try scanner.text(key) {
            case "dtype":
                let text = try scanner.string()
                let typeName = try scanner.text(text)
                type = SafetensorsType(rawValue: typeName)
                if type == nil {
                    throw scanner.error(
                        "gives '\(name)' the unknown type '\(typeName)'; one of \(knownTypes) was expected", at: text.range.lowerBound)
                }
            case "shape": shape = try counts(&scanner)
            case "data_offsets": offsets = try counts(&scanner)
            default: _ = try scanner.skipValue()
            }
        }
        guard let type, let shape, let offsets else {
            let missing = [type == nil ? "dtype" : nil, shape == nil ? "shape" : nil, offsets == nil ? "data_offsets" : nil].compactMap { $0 }
            throw scanner.error("has no \(missing.joined(separator: ", ")) for '\(name)'", at: position)
        }
        guard offsets.count == 2, offsets[0] <= offsets[1], offsets[1] <= Int.max - dataStart else {
            throw scanner.error("has data_offsets \(offsets) for '\(name)'; a begin and an end not before it were expected", at: position)
        }
        guard let bitCount = bitCount(shape, of: type) else {
            throw scanner.error("has the shape \(shape) for '\(name)', which is too large", at: position)
        }
        let byteCount = offsets[1] - offsets[0]
        guard bitCount % 8 == 0, bitCount / 8 == byteCount else {
            throw scanner.error(
                "gives '\(name)' \(byteCount) bytes; \(type.rawValue) of shape \(shape) needs \((bitCount + 7) / 8)", at: position)
        }
        return SafetensorsEntry(
            name: name, typeName: type.rawValue, dtype: type.dtype, shape: shape, byteRange: dataStart + offsets[0]..<dataStart + offsets[1])
    }

    private static var knownTypes: String { SafetensorsType.allCases.map(\.rawValue).joined(separator: ", ") }

    private static func counts(_ scanner: inout JSONScanner) throws(JSONError) -> [Int] {
        var values = [Int]()
        try scanner.beginArray()
        while try scanner.nextElement() { values.append(try scanner.count()) }
        return values
    }

    /// Nil when the number does not fit.
    private static func bitCount(_ shape: [Int], of type: SafetensorsType) -> Int? {
        guard let count = Shape.checkedCount(shape) else { return nil }
        let (bitCount, overflow) = count.multipliedReportingOverflow(by: type.bitCount)
        return overflow ? nil : bitCount
    }

    /// What keeps sorted `entries` from covering exactly the bytes from `start` to `end`; nil when they do.
    private static func gapOrOverlap(in entries: [SafetensorsEntry], from start: Int, to end: Int) -> String? {
        var position = start
        var previous = "the header"
        for entry in entries {
            if entry.byteRange.upperBound > end {
                return "ends at byte \(end), before the end of '\(entry.name)' at \(entry.byteRange.upperBound); it is cut short"
            }
            if entry.byteRange.lowerBound < position { return "has '\(entry.name)' overlapping \(previous); it is damaged" }
            if entry.byteRange.lowerBound > position {
                return
                    "has \(entry.byteRange.lowerBound - position) bytes between \(previous) and '\(entry.name)' that belong to no tensor; it is damaged"
            }
            position = entry.byteRange.upperBound
            previous = "'\(entry.name)'"
        }
        return position == end ? nil : "has \(end - position) bytes after \(previous) that belong to no tensor; it is damaged"
    }
}
