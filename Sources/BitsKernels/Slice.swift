/// A run of elements of one type in a buffer: the operand of a kernel.
package struct Slice: Sendable {
    package private(set) var buffer: Buffer
    package let dtype: DType
    /// First element, counted in elements of `dtype`.
    package let offset: Int
    package let count: Int

    package init(buffer: Buffer, dtype: DType, offset: Int = 0, count: Int) {
        precondition(
            offset >= 0 && count >= 0 && (offset + count) * dtype.byteCount <= buffer.byteCount,
            "slice of \(count) \(dtype.rawValue) at \(offset) exceeds a buffer of \(buffer.byteCount) bytes")
        self.buffer = buffer
        self.dtype = dtype
        self.offset = offset
        self.count = count
    }

    package var device: Device { buffer.device }
    package var byteCount: Int { count * dtype.byteCount }
    package var byteOffset: Int { offset * dtype.byteCount }

    /// Whether the device had the memory; where it had not, the next wait says so.
    package var hasMemory: Bool { buffer.address != 0 }

    /// Whether this is the only reference to its memory, and the memory may be written. Work that is still to be done holds none.
    package mutating func isOnlyReference() -> Bool { isKnownUniquelyReferenced(&buffer) && buffer.isWritable }

    /// The same elements, without a share in their memory.
    package func borrowed() -> Slice { Slice(buffer: buffer.borrowed(), dtype: dtype, offset: offset, count: count) }

    /// Elements `range` of this slice.
    package subscript(range: Range<Int>) -> Slice {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "range \(range) outside a slice of \(count)")
        return Slice(buffer: buffer, dtype: dtype, offset: offset + range.lowerBound, count: range.count)
    }
}

/// A slice seen as a multi-dimensional array: element `[i, j, ...]` is at `i * strides[0] + j * strides[1] + ...` from the slice's start.
/// A stride of 0 repeats (broadcasting). The slice covers every element reached.
package struct StridedSlice: Sendable {
    package internal(set) var slice: Slice
    package let shape: [Int]
    package let strides: [Int]

    package init(_ slice: Slice, shape: [Int], strides: [Int]) {
        precondition(shape.count == strides.count, "shape \(shape) and strides \(strides) differ in rank")
        self.slice = slice
        self.shape = shape
        self.strides = strides
    }

    /// Row-major, without gaps.
    package init(contiguous slice: Slice, shape: [Int]) {
        self.init(slice, shape: shape, strides: rowMajorStrides(shape))
    }

    /// Whether the elements lie row-major without gaps.
    var isContiguous: Bool { strides == rowMajorStrides(shape) }
}

/// The strides, in elements, of a row-major array without gaps.
package func rowMajorStrides(_ shape: [Int]) -> [Int] {
    var strides = [Int](repeating: 1, count: shape.count)
    for axis in stride(from: shape.count - 2, through: 0, by: -1) { strides[axis] = strides[axis + 1] * shape[axis + 1] }
    return strides
}
