internal import CBitsCPU

extension QuantizeFourBit: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_quantize_four_bit(
            input.pointer, input.dtype.code, Int64(input.count), format.cpuCode, Int64(blockSize), packed.bytes, absmax.floats,
            nonFiniteCount?.int64s)
    }
}

extension DequantizeFourBit: CPUKernel {
    func runOnCPU() -> Int32 {
        var weight = unsafe matrix.inC
        return unsafe bits_cpu_dequantize_four_bit(&weight, output.pointer, output.dtype.code)
    }
}

extension GatherFourBit: CPUKernel {
    func runOnCPU() -> Int32 {
        var weight = unsafe matrix.inC
        return unsafe bits_cpu_gather_four_bit(&weight, indices.pointer, indices.dtype.code, Int64(indices.count), output.pointer, output.dtype.code)
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
