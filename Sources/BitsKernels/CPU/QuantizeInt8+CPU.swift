internal import CBitsCPU

extension QuantizeInt8Rows: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_quantize_int8_rows(
            input.pointer, input.dtype.code, Int64(rows), Int64(columns), threshold, codes.int8s, scales.floats, outliers?.bytes,
            nonFiniteCount?.int64s)
    }
}

extension QuantizeInt8Columns: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_quantize_int8_columns(input.pointer, input.dtype.code, Int64(rows), Int64(columns), threshold, codes.int8s, scales.floats)
    }
}

extension DequantizeInt8: CPUKernel {
    func runOnCPU() -> Int32 {
        var matrix = unsafe matrix.inC
        return unsafe bits_cpu_dequantize_int8(&matrix, output.pointer, output.dtype.code)
    }
}

extension GatherInt8: CPUKernel {
    func runOnCPU() -> Int32 {
        var matrix = unsafe matrix.inC
        return unsafe bits_cpu_gather_int8(&matrix, indices.pointer, indices.dtype.code, Int64(indices.count), output.pointer, output.dtype.code)
    }
}

extension Int8Matrix {
    /// The matrix as the C kernels take it; valid while the slices live.
    var inC: bits_int8_matrix {
        var result = unsafe bits_int8_matrix()
        unsafe result.codes = UnsafePointer(codes.int8s)
        unsafe result.scales = UnsafePointer(scales.floats)
        unsafe result.rows = Int64(rows)
        unsafe result.columns = Int64(columns)
        return unsafe result
    }
}
