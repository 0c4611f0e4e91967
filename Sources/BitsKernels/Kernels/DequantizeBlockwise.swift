/// Undoes ``QuantizeBlockwise``: `output[i] = rn(fl(codebook[codes[i]] * absmax[i / blockSize]))`, and where there is an offset
/// `output[i] = rn(fl(fl(codebook[codes[i]] * absmax[i / blockSize]) + offset))`; `rn` rounds to the output's type.
package struct DequantizeBlockwise: Kernel {
    package static let name = "dequantize_blockwise"
    /// uint8
    package var codes: Slice
    /// float32 [256], in the order of the codes
    package var codebook: Slice
    /// float32 [blocks]
    package var absmax: Slice
    package var blockSize: Int
    /// float32 [1]
    package var offset: Slice?
    /// float32, float16 or bfloat16
    package var output: Slice

    package init(_ codes: Slice, codebook: Slice, absmax: Slice, blockSize: Int, offset: Slice? = nil, into output: Slice) {
        precondition(blockSize > 0, "block size \(blockSize)")
        precondition(
            codebook.count == 256 && codebook.dtype == .float32, "a codebook is float32 [256], not \(codebook.dtype.rawValue) [\(codebook.count)]")
        precondition(codes.count == output.count && codes.dtype == .uint8, "\(codes.count) codes for \(output.count) elements")
        precondition(absmax.count == blockCount(codes.count, blockSize: blockSize), "\(absmax.count) scales for \(codes.count) elements")
        (self.codes, self.codebook, self.absmax, self.blockSize, self.offset, self.output) = (codes, codebook, absmax, blockSize, offset, output)
    }

    package static let operandList: OperandList<Self> = [
        .reads("codes", \.codes), .reads("codebook", \.codebook), .reads("absmax", \.absmax), .reads("offset", \.offset), .writes("output", \.output),
    ]
}
