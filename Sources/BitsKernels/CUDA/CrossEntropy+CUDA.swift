extension CrossEntropy: CUDAKernel {
    private static let function = CUDAFunction("loss", "cross_entropy")

    func launch(on queue: CUDAQueue) {
        // A block for every row: what its threads have under way at once covers 16 elements each.
        let threads = max(32, min(1024, (vocabulary + 511) / 512 * 32))
        queue.launch(
            Self.function, blocks: rows, threads: threads, overlaps: true, logits, logits.dtype.code, targets, targets.dtype.code,
            CrossEntropy.ignoreIndex, losses,
            gradient, gradient?.dtype.code ?? 0, gradientScale, vocabulary)
    }
}

extension Softmax: CUDAKernel {
    private static let function = CUDAFunction("loss", "softmax")

    func launch(on queue: CUDAQueue) {
        guard input.count > 0 else { return }
        let shared = CUDARows(input.count / width, width: width, perThread: 16)
        queue.launch(
            Self.function, blocks: shared.blocks, threads: shared.threads, overlaps: true, input, input.dtype.code, output, output.dtype.code,
            input.count / width,
            width, shared.isWarp)
    }
}

extension SoftmaxGradient: CUDAKernel {
    private static let function = CUDAFunction("loss", "softmax_gradient")

    func launch(on queue: CUDAQueue) {
        guard output.count > 0 else { return }
        let shared = CUDARows(output.count / width, width: width, perThread: 8)
        queue.launch(
            Self.function, blocks: shared.blocks, threads: shared.threads, overlaps: true, output, output.dtype.code, outputGradient,
            outputGradient.dtype.code,
            inputGradient, inputGradient.dtype.code, output.count / width, width, shared.isWarp)
    }
}
