internal import CBitsSystem

/// The bytes of a file: mapped read-only, or compiled into the binary.
///
/// Pages are read when touched. The file must not be shortened while it is mapped (the process would be stopped by the system).
public final class MappedFile: Sendable {
    public let byteCount: Int
    /// For messages: the path it was opened by.
    public let path: String
    /// Of the first byte, in this process.
    package let address: UInt
    private let isMapped: Bool
    /// For the message, should the file be shortened; nil where nothing is mapped.
    private let note: SignalNote?

    /// Maps the file at `path`.
    ///
    /// - Throws: ``FileError`` when it is not there, not readable or not a regular file.
    public init(path: String) throws(FileError) {
        // Without O_NONBLOCK a pipe would be waited for until someone writes to it.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw FileError(reading: path, errno: errno) }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw FileError(reading: path, errno: errno) }
        switch status.st_mode & S_IFMT {
        case S_IFREG: break
        case S_IFDIR: throw FileError(reading: path, errno: EISDIR)
        default: throw FileError(path: path, message: "cannot be read: it is a pipe or a device, not a file; save its contents first", code: EINVAL)
        }
        self.path = path
        let byteCount = Int(status.st_size)
        self.byteCount = byteCount
        if byteCount == 0 {
            address = 0
            isMapped = false
            note = nil
            return
        }
        guard let mapping = unsafe mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0), unsafe mapping != MAP_FAILED else {
            throw FileError(reading: path, errno: errno)
        }
        address = UInt(bitPattern: mapping)
        isMapped = true
        note = SignalNote(mapped: path, address: address, byteCount: byteCount)
    }

    /// A file compiled into the binary under `path`; nil if there is none.
    public init?(embedded path: String) {
        var count: Int64 = 0
        guard let bytes = unsafe bits_embedded_find(path, &count) else { return nil }
        self.path = "embedded:\(path)"
        byteCount = Int(count)
        address = UInt(bitPattern: bytes)
        isMapped = false
        note = nil
    }

    deinit {
        if isMapped { unsafe munmap(UnsafeMutableRawPointer(bitPattern: address), byteCount) }
    }

    /// Gives `body` the bytes in `range`, which must lie within the file.
    public func withBytes<R, E: Error>(in range: Range<Int>, _ body: (RawSpan) throws(E) -> R) throws(E) -> R {
        precondition(range.lowerBound >= 0 && range.upperBound <= byteCount, "bytes \(range) outside \(path) of \(byteCount) bytes")
        let start = unsafe UnsafeRawPointer(bitPattern: address + UInt(range.lowerBound))
        let buffer = unsafe UnsafeRawBufferPointer(start: start, count: range.count)
        return try unsafe body(buffer.bytes)
    }

    /// Gives the memory of the bytes in `range`, and of some around them, back to the system; bytes are read from the file again when they are touched.
    package func release(_ range: Range<Int>) {
        guard isMapped, !range.isEmpty else { return }
        // The system maps up to 2 MB at a touch, so a neighbour brings back what was released before; whole such blocks do not pile up.
        let block = 2 << 20
        let start = range.lowerBound / block * block
        let end = min(byteCount, (range.upperBound + block - 1) / block * block)
        // The mapping is only read, so nothing can be lost.
        unsafe _ = madvise(UnsafeMutableRawPointer(bitPattern: address + UInt(start)), end - start, MADV_DONTNEED)
    }

    /// A copy of the bytes in `range`, which must lie within the file.
    public func bytes(in range: Range<Int>) -> [UInt8] {
        withBytes(in: range) { span in unsafe span.withUnsafeBytes { unsafe [UInt8]($0) } }
    }
}
