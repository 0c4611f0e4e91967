internal import CBitsCPU

extension Reduce: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_reduce(
            operation.rawValue, input.pointer, input.dtype.code, Int64(outer), Int64(axis), Int64(inner), output.pointer, output.dtype.code)
    }
}

extension ArgMax: CPUKernel {
    func runOnCPU() -> Int32 {
        let width = rows == 0 ? 0 : input.count / rows
        return unsafe bits_cpu_argmax(input.pointer, input.dtype.code, Int64(rows), Int64(width), output.pointer, output.dtype.code)
    }
}

extension Softmax: CPUKernel {
    func runOnCPU() -> Int32 {
        let rows = width == 0 ? 0 : input.count / width
        return unsafe bits_cpu_softmax(input.pointer, input.dtype.code, Int64(rows), Int64(width), output.pointer, output.dtype.code)
    }
}

extension SoftmaxGradient: CPUKernel {
    func runOnCPU() -> Int32 {
        let rows = width == 0 ? 0 : output.count / width
        return unsafe bits_cpu_softmax_gradient(
            output.pointer, output.dtype.code, outputGradient.pointer, outputGradient.dtype.code, Int64(rows), Int64(width), inputGradient.pointer,
            inputGradient.dtype.code)
    }
}
