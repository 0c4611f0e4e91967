import BitsSystem

/// Memory in pages of 2 MB: the processor finds its way through it with a five-hundredth of the entries that pages of 4 KB take, and the system clears it
/// at fewer touches. Where the system has no such pages, it is memory like any other.
enum HugePages {
    static let byteCount = 2 << 20

    /// Maps `size` bytes at a multiple of a page's size; 0 when there is no memory.
    static func map(_ size: Int) -> UInt {
        let reserved = size + byteCount
        let mapped = unsafe mmap(nil, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let mapping = unsafe mapped, unsafe mapping != MAP_FAILED else { return 0 }
        let start = UInt(bitPattern: mapping)
        let address = (start + UInt(byteCount) - 1) & ~(UInt(byteCount) - 1)
        let (before, after) = (Int(address - start), reserved - size - Int(address - start))
        if before > 0 { unsafe munmap(mapping, before) }
        if after > 0 { unmap(address + UInt(size), after) }
        unsafe madvise(UnsafeMutableRawPointer(bitPattern: address), size, MADV_HUGEPAGE)
        return address
    }

    static func unmap(_ address: UInt, _ size: Int) { unsafe _ = munmap(UnsafeMutableRawPointer(bitPattern: address), size) }

    /// Says that the contents are no longer needed: the system takes the memory when it needs it, or, with `atOnce`, now.
    static func release(_ address: UInt, _ size: Int, atOnce: Bool = false) {
        unsafe _ = madvise(UnsafeMutableRawPointer(bitPattern: address), size, atOnce ? MADV_DONTNEED : MADV_FREE)
    }
}
