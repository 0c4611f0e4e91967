internal import CBitsCPU

extension CrossEntropy: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_cross_entropy(
            logits.pointer, logits.dtype.code, targets.pointer, targets.dtype.code, Int64(CrossEntropy.ignoreIndex), losses.floats, gradient?.pointer,
            gradient?.dtype.code ?? 0, gradientScale, Int64(rows), Int64(vocabulary))
    }
}
