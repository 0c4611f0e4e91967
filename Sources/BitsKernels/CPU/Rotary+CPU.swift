internal import CBitsCPU

extension Rotary: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_rotary(
            input.pointer, input.dtype.code, cosine.floats, sine.floats, Int64(rows), positions?.int32s, inverse ? 1 : 0, output.pointer,
            output.dtype.code, Int64(tokens), Int64(heads), Int64(headWidth))
    }
}
