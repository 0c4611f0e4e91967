internal import CBitsCPU

extension Int8Product: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_int8_product(
            a.pointer.assumingMemoryBound(to: Int8.self), b.pointer.assumingMemoryBound(to: Int8.self),
            output.pointer.assumingMemoryBound(to: Int32.self), Int64(m), Int64(n), Int64(k))
    }
}

extension DequantizeInt8Product: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_dequantize_int8_product(
            products.pointer.assumingMemoryBound(to: Int32.self), rowScales.pointer.assumingMemoryBound(to: Float.self),
            columnScales.pointer.assumingMemoryBound(to: Float.self), bias?.pointer, bias?.dtype.code ?? 0, output.pointer, output.dtype.code,
            Int64(rowScales.count), Int64(columnScales.count))
    }
}

extension Int8ScaledProduct: CPUKernel {
    func runOnCPU() -> Int32 {
        var (a, weight) = unsafe (a.inC, weight.inC)
        return unsafe bits_cpu_int8_scaled_product(
            &a, &weight, bias?.pointer, bias?.dtype.code ?? 0, outliers?.input.pointer, outliers?.input.dtype.code ?? 0,
            outliers?.columns.pointer.assumingMemoryBound(to: UInt8.self), output.pointer, output.dtype.code)
    }
}
