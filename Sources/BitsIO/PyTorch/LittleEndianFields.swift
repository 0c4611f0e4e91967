internal import BitsCore

/// Numbers and runs of bytes, one after the other, never past the end.
struct LittleEndianFields {
    let file: MappedFile
    private let bytes: [UInt8]
    private let start: Int
    private var next = 0

    /// - Parameter start: where `bytes` lie in `file`, for errors.
    init(_ bytes: [UInt8], file: MappedFile, at start: Int) { (self.bytes, self.file, self.start) = (bytes, file, start) }

    /// Bytes that are left.
    var left: Int { bytes.count - next }
    /// The place in the file of the next byte.
    var place: Int { start + next }

    /// The next `count` bytes.
    ///
    /// - Throws: ``ModelFileError/malformed(path:_:)`` where there are not so many.
    mutating func bytes(_ count: Int) throws(ModelFileError) -> ArraySlice<UInt8> {
        guard count >= 0, count <= left else { throw damaged("\(count) bytes") }
        defer { next += count }
        return bytes[next..<next + count]
    }

    mutating func skip(_ count: Int) throws(ModelFileError) { _ = try bytes(count) }

    /// The next number of `count` bytes, at most 8. One of 8 bytes may be negative.
    mutating func next(_ count: Int) throws(ModelFileError) -> Int {
        Int(truncatingIfNeeded: try bytes(count).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    }

    /// The bytes up to the next newline, which is taken too.
    mutating func line() throws(ModelFileError) -> String {
        guard let end = bytes[next...].firstIndex(of: 0x0a) else { throw damaged("the end of a line") }
        let text = String(decoding: try bytes(end - next), as: UTF8.self)
        try skip(1)
        return text
    }

    func damaged(_ expected: String) -> ModelFileError {
        .malformed(path: file.path, "has no \(expected) at byte \(place), where it was expected; it is cut short or damaged, download it again")
    }
}
