internal import CBitsCPU

extension FourBitLinear: CPUKernel {
    func runOnCPU() -> Int32 {
        var weight = unsafe weight.inC
        return unsafe bits_cpu_four_bit_linear(
            input.pointer, input.dtype.code, &weight, bias?.pointer, bias?.dtype.code ?? 0, output.pointer, output.dtype.code, Int64(m),
            precision.rawValue)
    }
}

extension FourBitLinearInputGradient: CPUKernel {
    func runOnCPU() -> Int32 {
        var weight = unsafe weight.inC
        return unsafe bits_cpu_four_bit_linear_input_gradient(
            outputGradient.pointer, outputGradient.dtype.code, &weight, inputGradient.pointer, inputGradient.dtype.code, Int64(m), precision.rawValue)
    }
}

extension FourBitMatrix {
    /// The matrix as the C kernels take it; valid while the slices live.
    var inC: bits_four_bit_matrix {
        var result = unsafe bits_four_bit_matrix()
        unsafe result.packed = UnsafePointer(packed.pointer.assumingMemoryBound(to: UInt8.self))
        unsafe result.rows = Int64(rows)
        unsafe result.columns = Int64(columns)
        unsafe result.block_size = Int64(blockSize)
        unsafe result.code = UnsafePointer(code.floats)
        switch scales {
        case .plain(let absmax):
            unsafe result.absmax = UnsafePointer(absmax.floats)
        case .nested(let codes, let code, let absmax, let offset, let blockSize):
            unsafe result.absmax_codes = UnsafePointer(codes.bytes)
            unsafe result.nested_code = UnsafePointer(code.floats)
            unsafe result.nested_absmax = UnsafePointer(absmax.floats)
            unsafe result.nested_offset = UnsafePointer(offset.floats)
            unsafe result.nested_block_size = Int64(blockSize)
        }
        return unsafe result
    }
}
