package import BitsKernels

/// Where a slice lies, without a share in its memory.
package struct Place: Hashable, Sendable {
    package let address: UInt
    package let range: Range<Int>

    package init(_ slice: Slice) {
        address = slice.buffer.address
        range = slice.byteOffset..<slice.byteOffset + slice.byteCount
    }

    /// The first `byteCount` bytes of a block.
    package init(address: UInt, byteCount: Int) { (self.address, range) = (address, 0..<byteCount) }
}
