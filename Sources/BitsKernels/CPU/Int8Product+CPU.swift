internal import CBitsCPU

extension Int8Product: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_int8_product(a.int8s, b.int8s, output.int32s, Int64(m), Int64(n), Int64(k))
    }
}

extension DequantizeInt8Product: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_dequantize_int8_product(
            products.int32s, rowScales.floats, columnScales.floats, bias?.pointer, bias?.dtype.code ?? 0, output.pointer, output.dtype.code,
            Int64(rowScales.count), Int64(columnScales.count))
    }
}

extension Int8ScaledProduct: CPUKernel {
    func runOnCPU() -> Int32 {
        var (a, weight) = unsafe (a.inC, weight.inC)
        return unsafe bits_cpu_int8_scaled_product(
            &a, &weight, bias?.pointer, bias?.dtype.code ?? 0, outliers?.input.pointer, outliers?.input.dtype.code ?? 0, outliers?.columns.bytes,
            output.pointer, output.dtype.code)
    }
}
