extension RandomFill: CUDAKernel {
    private static let uniform = CUDAFunctions("random", "random_uniform")
    private static let normal = CUDAFunctions("random", "random_normal")

    func launch(on queue: CUDAQueue) {
        let (functions, first, second) =
            switch distribution {
            case .uniform(let low, let high): (Self.uniform, low, high - low)
            case .normal(let mean, let deviation): (Self.normal, mean, deviation)
            }
        queue.launch(
            functions[output.dtype], blocks: queue.blocks(for: output.count, each: 1024, perMultiprocessor: 32), threads: 256, stream.seed,
            stream.stream, stream.position, first, second, output, output.count)
    }
}

extension Dropout: CUDAKernel {
    private static let functions = CUDAFunctions("random", "dropout")

    func launch(on queue: CUDAQueue) {
        queue.launch(
            Self.functions[input.dtype, output.dtype], blocks: queue.blocks(for: input.count, each: 1024, perMultiprocessor: 32), threads: 256,
            stream.seed, stream.stream, stream.position, threshold, gain, input, output, input.count)
    }
}
