internal import BitsCore

/// The members of a zip archive that lie in it as they are: what PyTorch saves tensors in.
///
/// The directory at the end is read; sizes and places are checked against the file before anything is used. Members that are compressed or encrypted are
/// listed, and refused when they are asked for.
struct ZipArchive {
    /// One file of the archive.
    struct Member {
        let name: String
        let byteCount: Int
        /// Where its local header lies, from the start of the file.
        fileprivate let header: Int
        /// Bytes that it takes in the archive.
        fileprivate let storedByteCount: Int
        /// 0 for a member that lies there as it is.
        fileprivate let method: Int
        fileprivate let flags: Int
    }

    /// By name; a name that is there twice is refused.
    private(set) var members: [String: Member] = [:]
    private let file: MappedFile

    /// Whether `file` begins as an archive does.
    static func begins(_ file: MappedFile) -> Bool { file.byteCount >= 4 && file.bytes(in: 0..<4) == [0x50, 0x4b, 3, 4] }

    /// Reads the directory.
    ///
    /// - Throws: ``ModelFileError/malformed(path:_:)`` when it is not there, cut short, or names places outside of the file.
    init(_ file: MappedFile) throws(ModelFileError) {
        self.file = file
        let directory = try ZipArchive.directory(of: file)
        var fields = LittleEndianFields(file.bytes(in: directory.range), file: file, at: directory.range.lowerBound)
        for _ in 0..<directory.count {
            let member = try Member(&fields)
            guard members.updateValue(member, forKey: member.name) == nil else {
                throw .malformed(path: file.path, "has '\(member.name)' twice; the file is damaged")
            }
        }
    }

    /// Where the bytes of `member` lie.
    ///
    /// - Throws: ``ModelFileError/unsupported(path:_:)`` for one that is compressed or encrypted; ``ModelFileError/malformed(path:_:)`` where it does not
    ///   lie within the file.
    func range(of member: Member) throws(ModelFileError) -> Range<Int> {
        guard member.method == 0, member.flags & 1 == 0, member.storedByteCount == member.byteCount else {
            throw .unsupported(
                path: file.path, "has '\(member.name)' compressed or encrypted, as PyTorch does not save it; load and save it again with PyTorch")
        }
        let fixed = 30
        guard member.header <= file.byteCount - fixed else { throw cutShort(member) }
        var header = LittleEndianFields(file.bytes(in: member.header..<member.header + fixed), file: file, at: member.header)
        guard try header.next(4) == 0x0403_4b50 else { throw cutShort(member) }
        try header.skip(22)
        let start = member.header + fixed + (try header.next(2)) + (try header.next(2))
        guard start <= file.byteCount, member.byteCount <= file.byteCount - start else { throw cutShort(member) }
        return start..<start + member.byteCount
    }

    private func cutShort(_ member: Member) -> ModelFileError {
        .malformed(path: file.path, "has '\(member.name)' outside of the file; it is cut short or damaged, download it again")
    }

    /// Where the directory lies, and of how many members.
    private static func directory(of file: MappedFile) throws(ModelFileError) -> (range: Range<Int>, count: Int) {
        let noEnd = ModelFileError.malformed(path: file.path, "begins as a zip archive and does not end as one; it is cut short, download it again")
        // The end is 22 bytes and a comment of up to 65535.
        let tail = max(0, file.byteCount - 22 - 65535)
        let bytes = file.bytes(in: tail..<file.byteCount)
        guard bytes.count >= 22, let end = (0...bytes.count - 22).reversed().first(where: { bytes[$0..<$0 + 4] == [0x50, 0x4b, 5, 6] }) else {
            throw noEnd
        }
        var record = LittleEndianFields(Array(bytes[end...]), file: file, at: tail + end)
        try record.skip(10)
        var (count, byteCount, start) = (try record.next(2), try record.next(4), try record.next(4))
        if count == 0xffff || byteCount == 0xffff_ffff || start == 0xffff_ffff {
            (count, byteCount, start) = try wideDirectory(of: file, before: tail + end)
        }
        guard start >= 0, byteCount >= 0, start <= file.byteCount, byteCount <= file.byteCount - start, count <= byteCount / 46 else { throw noEnd }
        return (start..<start + byteCount, count)
    }

    /// The same where the archive has more than 4 GB, or 65534 members: from a record that the 20 bytes before the end point to.
    private static func wideDirectory(of file: MappedFile, before end: Int) throws(ModelFileError) -> (count: Int, byteCount: Int, start: Int) {
        let damaged = ModelFileError.malformed(path: file.path, "has no directory where it says; it is damaged, download it again")
        guard end >= 20 else { throw damaged }
        var locator = LittleEndianFields(file.bytes(in: end - 20..<end), file: file, at: end - 20)
        guard try locator.next(4) == 0x0706_4b50 else { throw damaged }
        try locator.skip(4)
        let place = try locator.next(8)
        guard place >= 0, place <= end - 56 else { throw damaged }
        var record = LittleEndianFields(file.bytes(in: place..<place + 56), file: file, at: place)
        guard try record.next(4) == 0x0606_4b50 else { throw damaged }
        try record.skip(28)
        return (try record.next(8), try record.next(8), try record.next(8))
    }
}

extension ZipArchive.Member {
    /// The next entry of the directory.
    fileprivate init(_ fields: inout LittleEndianFields) throws(ModelFileError) {
        guard try fields.next(4) == 0x0201_4b50 else { throw fields.damaged("an entry of the archive's directory") }
        try fields.skip(4)
        (flags, method) = (try fields.next(2), try fields.next(2))
        try fields.skip(8)
        var (stored, whole) = (try fields.next(4), try fields.next(4))
        let (nameLength, extraLength, commentLength) = (try fields.next(2), try fields.next(2), try fields.next(2))
        try fields.skip(8)
        var place = try fields.next(4)
        name = String(decoding: try fields.bytes(nameLength), as: UTF8.self)
        var extra = LittleEndianFields(Array(try fields.bytes(extraLength)), file: fields.file, at: fields.place)
        while extra.left >= 4 {
            let (kind, length) = (try extra.next(2), try extra.next(2))
            var field = LittleEndianFields(Array(try extra.bytes(length)), file: fields.file, at: extra.place)
            // Numbers that do not fit into 32 bits, those alone, in this order.
            guard kind == 1 else { continue }
            if whole == 0xffff_ffff { whole = try field.next(8) }
            if stored == 0xffff_ffff { stored = try field.next(8) }
            if place == 0xffff_ffff { place = try field.next(8) }
        }
        try fields.skip(commentLength)
        guard whole >= 0, stored >= 0, place >= 0 else { throw fields.damaged("a size of '\(name)'") }
        (byteCount, storedByteCount, header) = (whole, stored, place)
    }
}
