internal import CBitsCPU

extension RMSNorm: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_rms_norm(
            input.pointer, input.dtype.code, weight.pointer, weight.dtype.code, epsilon, output.pointer, output.dtype.code, reciprocal?.floats,
            Int64(input.count / weight.count), Int64(weight.count))
    }
}

extension RMSNormGradient: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_rms_norm_gradient(
            input.pointer, input.dtype.code, weight.pointer, weight.dtype.code, reciprocal.floats, outputGradient.pointer, outputGradient.dtype.code,
            inputGradient?.pointer, inputGradient?.dtype.code ?? 0, weightGradient?.pointer, weightGradient?.dtype.code ?? 0,
            Int64(input.count / weight.count), Int64(weight.count))
    }
}

extension LayerNorm: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_layer_norm(
            input.pointer, input.dtype.code, weight?.pointer, weight?.dtype.code ?? 0, bias?.pointer, bias?.dtype.code ?? 0, epsilon, output.pointer,
            output.dtype.code, mean?.floats, reciprocal?.floats, Int64(input.count / width), Int64(width))
    }
}

extension LayerNormGradient: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_layer_norm_gradient(
            input.pointer, input.dtype.code, weight?.pointer, weight?.dtype.code ?? 0, mean.floats, reciprocal.floats, outputGradient.pointer,
            outputGradient.dtype.code, inputGradient?.pointer, inputGradient?.dtype.code ?? 0, weightGradient?.pointer,
            weightGradient?.dtype.code ?? 0, biasGradient?.pointer, biasGradient?.dtype.code ?? 0, Int64(input.count / width), Int64(width))
    }
}
