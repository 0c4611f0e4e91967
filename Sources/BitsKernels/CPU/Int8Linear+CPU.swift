internal import CBitsCPU

extension Int8Linear: CPUKernel {
    func runOnCPU() -> Int32 {
        var weight = unsafe weight.inC
        return unsafe bits_cpu_int8_linear(
            input.pointer, input.dtype.code, &weight, bias?.pointer, bias?.dtype.code ?? 0, threshold, output.pointer, output.dtype.code, Int64(m))
    }
}

extension Int8LinearInputGradient: CPUKernel {
    func runOnCPU() -> Int32 {
        var weight = unsafe weight.inC
        return unsafe bits_cpu_int8_linear_input_gradient(
            outputGradient.pointer, outputGradient.dtype.code, &weight, inputGradient.pointer, inputGradient.dtype.code, Int64(m), precision.rawValue)
    }
}

extension Int8LinearWeightGradient: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_int8_linear_weight_gradient(
            outputGradient.pointer, outputGradient.dtype.code, input.pointer, input.dtype.code, threshold, weightGradient.pointer,
            weightGradient.dtype.code, Int64(m), Int64(n), Int64(k))
    }
}
