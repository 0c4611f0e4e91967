internal import CBitsCUDA

/// `tensor_map` of the kernels: how the copy engine of compute capability 9.0 finds boxes of a matrix.
struct CUDATensorMap: CUDAArgument {
    private let map: bits_cuda_tensor_map

    /// The map of no matrix.
    init() { map = bits_cuda_tensor_map() }

    /// For boxes of `boxRows` rows of 128 bytes.
    ///
    /// - Parameter stride: bytes from row to row, a multiple of 16 as the address is.
    /// - Returns: nil where the driver has no such maps, or does not take the matrix.
    init?(_ matrix: Slice, rows: Int, columns: Int, stride: Int, boxRows: Int, on context: CUDAContext) {
        var map = bits_cuda_tensor_map()
        let status = unsafe bits_cuda_describe_matrix(
            context.pointer, UInt64(matrix.deviceAddress), Int64(rows), Int64(columns), Int64(stride), Int32(boxRows), &map)
        guard status == 0 else { return nil }
        self.map = map
    }

    func append(to arguments: inout CUDAArguments) {
        arguments.align(to: 64)
        unsafe withUnsafeBytes(of: map.words) { words in
            for start in stride(from: 0, to: words.count, by: 8) { unsafe arguments.append(words.load(fromByteOffset: start, as: UInt64.self)) }
        }
    }
}
