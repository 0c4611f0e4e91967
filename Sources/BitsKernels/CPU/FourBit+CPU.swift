internal import CBitsCPU

extension QuantizeFourBit: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_quantize_four_bit(
            input.pointer, input.dtype.code, Int64(input.count), format.cpuCode, Int64(blockSize),
            packed.pointer.assumingMemoryBound(to: UInt8.self), absmax.pointer.assumingMemoryBound(to: Float.self),
            nonFiniteCount?.pointer.assumingMemoryBound(to: Int64.self))
    }
}

extension DequantizeFourBit: CPUKernel {
    func runOnCPU() -> Int32 {
        var array = unsafe matrix.array
        return unsafe bits_cpu_dequantize_four_bit(&array, Int64(output.count), output.pointer, output.dtype.code)
    }
}

extension GatherFourBit: CPUKernel {
    func runOnCPU() -> Int32 {
        var array = unsafe matrix.array
        return unsafe bits_cpu_gather_four_bit(
            &array, Int64(matrix.rows), Int64(matrix.columns), indices.pointer, indices.dtype.code, Int64(indices.count), output.pointer,
            output.dtype.code)
    }
}

extension FourBitFormat {
    fileprivate var cpuCode: Int32 {
        switch self {
        case .nf4: Int32(BITS_NF4)
        case .fp4: Int32(BITS_FP4)
        }
    }
}

extension FourBitMatrix {
    fileprivate var array: bits_four_bit {
        var array = unsafe bits_four_bit()
        unsafe array.packed = UnsafePointer(packed.pointer.assumingMemoryBound(to: UInt8.self))
        unsafe array.code = UnsafePointer(code.pointer.assumingMemoryBound(to: Float.self))
        unsafe array.block_size = Int64(blockSize)
        switch scales {
        case .plain(let absmax):
            unsafe array.absmax = UnsafePointer(absmax.pointer.assumingMemoryBound(to: Float.self))
        case .nested(let codes, let code, let absmax, let offset, let blockSize):
            unsafe array.absmax_codes = UnsafePointer(codes.pointer.assumingMemoryBound(to: UInt8.self))
            unsafe array.nested_code = UnsafePointer(code.pointer.assumingMemoryBound(to: Float.self))
            unsafe array.absmax = UnsafePointer(absmax.pointer.assumingMemoryBound(to: Float.self))
            unsafe array.offset = UnsafePointer(offset.pointer.assumingMemoryBound(to: Float.self))
            unsafe array.nested_block_size = Int64(blockSize)
        }
        return unsafe array
    }
}
