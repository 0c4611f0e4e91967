internal import CBitsCPU

extension RandomFill: CPUKernel {
    func runOnCPU() -> Int32 {
        var stream = stream.inC
        return switch distribution {
        case .uniform(let low, let high):
            unsafe bits_cpu_random(
                Int32(BITS_UNIFORM), &stream, low, high - low, output.pointer, output.dtype.code, Int64(output.count))
        case .normal(let mean, let deviation):
            unsafe bits_cpu_random(Int32(BITS_NORMAL), &stream, mean, deviation, output.pointer, output.dtype.code, Int64(output.count))
        }
    }
}

extension Dropout: CPUKernel {
    func runOnCPU() -> Int32 {
        var stream = stream.inC
        return unsafe bits_cpu_dropout(
            &stream, threshold, gain, input.pointer, input.dtype.code, output.pointer, output.dtype.code, Int64(input.count))
    }
}

extension RandomStream {
    fileprivate var inC: bits_random_stream { bits_random_stream(seed: seed, stream: stream, position: position) }
}
