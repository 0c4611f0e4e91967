/// Quantizes blocks of elements to a 4-bit format, two codes to a byte.
///
/// With `x[i] = input[i]` in float32 and `b = i / blockSize`:
/// ```
/// absmax[b]  = max |x[i]| over the block, NaN left out
/// y[i]       = fl(x[i] * fl(1 / absmax[b])), or x[i] where absmax[b] is 0
/// code[i]    = format.code(for: y[i])
/// packed[k]  = code[2 k] << 4 | code[2 k + 1]
/// ```
/// An element missing at the end counts as 0. A block of zeros gets the code of zero; NaN gets code 0.
package struct QuantizeFourBit: Kernel {
    package static let name = "quantize_four_bit"
    /// float32, float16 or bfloat16
    package var input: Slice
    package var format: FourBitFormat
    /// even
    package var blockSize: Int
    /// uint8 [(elements + 1) / 2]
    package var packed: Slice
    /// float32 [blocks]
    package var absmax: Slice
    /// int64 [1]: how many inputs were NaN or infinite.
    package var nonFiniteCount: Slice?

    package init(_ input: Slice, format: FourBitFormat, blockSize: Int, packed: Slice, absmax: Slice, nonFiniteCount: Slice? = nil) {
        precondition(blockSize > 0 && blockSize % 2 == 0, "block size \(blockSize)")
        precondition(packed.count == (input.count + 1) / 2 && packed.dtype == .uint8, "\(packed.count) bytes for \(input.count) 4-bit codes")
        precondition(absmax.count == blockCount(input.count, blockSize: blockSize), "\(absmax.count) scales for \(input.count) elements")
        (self.input, self.format, self.blockSize) = (input, format, blockSize)
        (self.packed, self.absmax, self.nonFiniteCount) = (packed, absmax, nonFiniteCount)
    }

    package static let operandList: OperandList<Self> = [
        .reads("input", \.input), .writes("packed", \.packed), .writes("absmax", \.absmax), .writes("nonFiniteCount", \.nonFiniteCount),
    ]
}
