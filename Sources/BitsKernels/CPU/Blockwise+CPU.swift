internal import CBitsCPU

extension QuantizeBlockwise: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_quantize_blockwise(
            input.pointer, input.dtype.code, Int64(input.count), offset?.floats, codebook.floats, order?.bytes, Int64(blockSize), codes.bytes,
            absmax.floats, nonFiniteCount?.int64s)
    }
}

extension DequantizeBlockwise: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_dequantize_blockwise(
            codes.bytes, Int64(codes.count), codebook.floats, absmax.floats, Int64(blockSize), offset?.floats, output.pointer, output.dtype.code)
    }
}

extension MeanInDouble: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_mean_in_double(input.floats, Int64(input.count), mean.floats)
    }
}
