internal import CBitsCPU

extension QuantizeBlockwise: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_quantize_blockwise(
            input.pointer, input.dtype.code, Int64(input.count), offset?.pointer.assumingMemoryBound(to: Float.self),
            codebook.pointer.assumingMemoryBound(to: Float.self), order?.pointer.assumingMemoryBound(to: UInt8.self), Int64(blockSize),
            codes.pointer.assumingMemoryBound(to: UInt8.self), absmax.pointer.assumingMemoryBound(to: Float.self),
            nonFiniteCount?.pointer.assumingMemoryBound(to: Int64.self))
    }
}

extension DequantizeBlockwise: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_dequantize_blockwise(
            codes.pointer.assumingMemoryBound(to: UInt8.self), Int64(codes.count), codebook.pointer.assumingMemoryBound(to: Float.self),
            absmax.pointer.assumingMemoryBound(to: Float.self), Int64(blockSize), offset?.pointer.assumingMemoryBound(to: Float.self),
            output.pointer, output.dtype.code)
    }
}

extension MeanInDouble: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_mean_in_double(
            input.pointer.assumingMemoryBound(to: Float.self), Int64(input.count), mean.pointer.assumingMemoryBound(to: Float.self))
    }
}
