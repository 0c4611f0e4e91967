/// Quantizes blocks of elements to the nearest entries of a codebook.
///
/// With `x[i] = input[i]` in float32, or `fl(input[i] - offset)` where there is an offset, and `b = i / blockSize`:
/// ```
/// absmax[b] = max |x[i]| over the block, NaN left out
/// y[i]      = fl(x[i] * fl(1 / absmax[b]))
/// codes[i]  = nearest(codebook, y[i])
/// ```
/// `nearest` counts the midpoints `fl(0.5 * fl(c[j] + c[j + 1]))` below `y`; on a midpoint the even index of its two neighbours wins; NaN gives 0.
/// All of it is IEEE arithmetic: a block of zeros has `y = 0 * inf = NaN`, hence code 0, and a scale too small to invert sends all but its zeros to
/// the ends.
package struct QuantizeBlockwise: Kernel {
    package static let name = "quantize_blockwise"
    /// float32, float16 or bfloat16
    package var input: Slice
    /// float32 [1]
    package var offset: Slice?
    /// float32 [256], ascending
    package var codebook: Slice
    /// uint8 [256]: the code of each index of `codebook`, where it is not the index itself; NaN still gives code 0.
    package var order: Slice?
    package var blockSize: Int
    /// uint8, as many as the input
    package var codes: Slice
    /// float32 [blocks]
    package var absmax: Slice
    /// int64 [1]: how many inputs were NaN or infinite.
    package var nonFiniteCount: Slice?

    package init(
        _ input: Slice, offset: Slice? = nil, codebook: Slice, order: Slice? = nil, blockSize: Int, codes: Slice, absmax: Slice,
        nonFiniteCount: Slice? = nil
    ) {
        precondition(blockSize > 0, "block size \(blockSize)")
        precondition(
            codebook.count == 256 && codebook.dtype == .float32, "a codebook is float32 [256], not \(codebook.dtype.rawValue) [\(codebook.count)]")
        precondition(order.map { $0.count == 256 && $0.dtype == .uint8 } ?? true, "the order of a codebook is uint8 [256]")
        precondition(codes.count == input.count && codes.dtype == .uint8, "\(codes.count) codes for \(input.count) elements")
        precondition(absmax.count == blockCount(input.count, blockSize: blockSize), "\(absmax.count) scales for \(input.count) elements")
        (self.input, self.offset, self.codebook, self.order) = (input, offset, codebook, order)
        (self.blockSize, self.codes, self.absmax, self.nonFiniteCount) = (blockSize, codes, absmax, nonFiniteCount)
    }

    package static let operandList: OperandList<Self> = [
        .reads("input", \.input), .reads("offset", \.offset), .reads("codebook", \.codebook), .reads("order", \.order), .writes("codes", \.codes),
        .writes("absmax", \.absmax), .writes("nonFiniteCount", \.nonFiniteCount),
    ]
}

/// Blocks of `blockSize` that hold `count` elements; the last may be partial.
package func blockCount(_ count: Int, blockSize: Int) -> Int { (count + blockSize - 1) / blockSize }
