internal import CBitsCPU

extension StridedCopy: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_copy(
            source.slice.pointer, source.slice.dtype.code, source.strides.map(Int64.init), destination.slice.pointer, destination.slice.dtype.code,
            destination.strides.map(Int64.init), source.shape.map(Int64.init), Int32(source.shape.count))
    }
}

extension Fill: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_fill(destination.pointer, destination.dtype.code, value, Int64(destination.count))
    }
}
