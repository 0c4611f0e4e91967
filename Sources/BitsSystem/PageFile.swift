internal import CBitsSystem
import Synchronization

/// A file for memory that may be larger than the machine's: pages that are not in use lie on disk.
///
/// The file has no name, so the system removes it when the process ends, however it ends. Its space is reserved before it is used: writing to the memory
/// cannot fail later.
package final class PageFile: Sendable {
    package let folder: String
    fileprivate let descriptor: Int32
    private let end = Mutex(0)

    /// Opens a file in `folder`.
    ///
    /// - Throws: ``FileError`` when the folder is not there or not writable.
    package init(folder: String) throws(FileError) {
        self.folder = folder
        descriptor = try PageFile.openNameless(in: folder)
    }

    deinit { close(descriptor) }

    private static func openNameless(in folder: String) throws(FileError) -> Int32 {
        let nameless = unsafe bits_pages_open(folder)
        if nameless >= 0 { return nameless }
        guard errno == EOPNOTSUPP else { throw unusable(folder, errno) }
        let path = FileSystem.temporarySibling(of: "\(folder)/moments")
        let named = unsafe open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard named >= 0 else { throw unusable(folder, errno) }
        unsafe _ = unlink(path)
        return named
    }

    private static func unusable(_ folder: String, _ code: Int32) -> FileError {
        let reason = unsafe String(cString: strerror(code))
        return FileError(path: folder, message: "cannot hold paged memory: \(reason); name a folder that can be written", code: code)
    }

    /// Bytes of the file.
    package var byteCount: Int { end.withLock { $0 } }

    /// Zeroed memory backed by a new part of the file.
    ///
    /// - Throws: ``FileError`` when the disk has no room for it.
    package func reserve(byteCount: Int) throws(FileError) -> PagedMemory {
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let size = max(page, (byteCount + page - 1) / page * page)
        let (offset, code) = end.withLock { end in
            let (offset, code) = (end, posix_fallocate(descriptor, end, size))
            if code == 0 { end += size }
            return (offset, code)
        }
        guard code == 0 else {
            let reason = unsafe String(cString: strerror(code))
            throw FileError(
                path: folder, message: "has no room for \(size) bytes of paged memory: \(reason); free some, or name another folder", code: code)
        }
        guard let mapping = unsafe mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, offset), unsafe mapping != MAP_FAILED else {
            throw PageFile.unusable(folder, errno)
        }
        return PagedMemory(file: self, address: UInt(bitPattern: mapping), offset: offset, byteCount: size)
    }
}

/// Memory backed by part of a ``PageFile``. What it holds is the same whether its pages are in memory or not.
package final class PagedMemory: Sendable {
    private let file: PageFile
    package let address: UInt
    private let offset: Int
    package let byteCount: Int

    fileprivate init(file: PageFile, address: UInt, offset: Int, byteCount: Int) {
        self.file = file
        self.address = address
        self.offset = offset
        self.byteCount = byteCount
    }

    deinit {
        unsafe munmap(UnsafeMutableRawPointer(bitPattern: address), byteCount)
        bits_pages_discard(file.descriptor, Int64(offset), Int64(byteCount))
    }

    /// Asks for the pages without waiting for them.
    package func prefetch() { advise(Int32(MADV_WILLNEED)) }

    /// Waits until the pages are in memory and may be written. Systems that cannot bring them one by one later.
    package func populate() { unsafe bits_pages_populate(UnsafeMutableRawPointer(bitPattern: address), Int64(byteCount)) }

    /// Starts writing changed pages to disk without waiting.
    package func startWriting() { bits_pages_start_writing(file.descriptor, Int64(offset), Int64(byteCount)) }

    /// Waits until changed pages are on disk, then gives up their memory.
    package func release() {
        bits_pages_finish_writing(file.descriptor, Int64(offset), Int64(byteCount))
        advise(Int32(MADV_DONTNEED))
        _ = posix_fadvise(file.descriptor, offset, byteCount, POSIX_FADV_DONTNEED)
    }

    /// Whether every page is in memory.
    package var isResident: Bool {
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        var pages = [UInt8](repeating: 0, count: byteCount / page)
        guard unsafe mincore(UnsafeMutableRawPointer(bitPattern: address), byteCount, &pages) == 0 else { return false }
        return pages.allSatisfy { $0 & 1 == 1 }
    }

    private func advise(_ advice: Int32) { unsafe _ = madvise(UnsafeMutableRawPointer(bitPattern: address), byteCount, advice) }
}
