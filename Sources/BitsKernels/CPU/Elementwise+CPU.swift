internal import CBitsCPU

extension BinaryElementwise: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_binary(
            operation.rawValue, lhs.slice.pointer, lhs.slice.dtype.code, lhs.strides.map(Int64.init), rhs.slice.pointer, rhs.slice.dtype.code,
            rhs.strides.map(Int64.init), output.pointer, output.dtype.code, lhs.shape.map(Int64.init), Int32(lhs.shape.count))
    }
}

extension SumOfTerms: CPUKernel {
    func runOnCPU() -> Int32 {
        let starts = unsafe terms.map { unsafe UnsafeRawPointer($0.pointer) as UnsafeRawPointer? }
        return unsafe bits_cpu_sum_of_terms(
            starts, terms.map(\.dtype.code), Int32(terms.count), output.pointer, output.dtype.code, Int64(output.count))
    }
}

extension ScaleAndShift: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_scale_shift(input.pointer, input.dtype.code, scale, shift, output.pointer, output.dtype.code, Int64(input.count))
    }
}

extension UnaryElementwise: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_unary(operation.rawValue, input.pointer, input.dtype.code, output.pointer, output.dtype.code, Int64(input.count))
    }
}

extension UnaryElementwiseGradient: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_unary_gradient(
            operation.rawValue, input.pointer, input.dtype.code, outputGradient.pointer, outputGradient.dtype.code, inputGradient.pointer,
            inputGradient.dtype.code, Int64(input.count))
    }
}

extension GatedActivation: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_gated(
            activation.rawValue, gate.pointer, gate.dtype.code, up.pointer, up.dtype.code, output.pointer, output.dtype.code, Int64(gate.count))
    }
}

extension GatedActivationGradient: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_gated_gradient(
            activation.rawValue, gate.pointer, gate.dtype.code, up.pointer, up.dtype.code, outputGradient.pointer, outputGradient.dtype.code,
            gateGradient.pointer, gateGradient.dtype.code, upGradient.pointer, upGradient.dtype.code, Int64(gate.count))
    }
}
