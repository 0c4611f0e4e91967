internal import CBitsCPU

extension MatrixProduct: CPUKernel {
    func runOnCPU() -> Int32 {
        var a = unsafe bits_matrix(data: a.pointer, stride: Int64(aStride), dtype: a.dtype.code, transposed: transposesA ? 1 : 0)
        var b = unsafe bits_matrix(data: b.pointer, stride: Int64(bStride), dtype: b.dtype.code, transposed: transposesB ? 1 : 0)
        return unsafe bits_cpu_matrix_product(
            &a, &b, bias?.pointer, bias?.dtype.code ?? 0, output.pointer, output.dtype.code, Int64(n), Int64(m), Int64(n), Int64(k),
            accumulates ? 1 : 0, precision.rawValue)
    }
}

extension ScaledProduct: CPUKernel {
    func runOnCPU() -> Int32 {
        let (product, scaling) = steps { Device.cpu.allocate(.float32, count: m * n) }
        return scaling.map { runInOrder(product, $0) } ?? product.runOnCPU()
    }
}

/// Kernels that make up another one, until one of them fails, or there is no memory for what it writes.
func runInOrder(_ kernels: any CPUKernel...) -> Int32 {
    for kernel in kernels where kernel.operands.allSatisfy(\.slice.hasMemory) {
        let status = kernel.runOnCPU()
        if status != 0 { return status }
    }
    return 0
}
