extension CrossEntropy: CUDAKernel {
    private static let function = CUDAFunction("loss", "cross_entropy")
    private static let aligned = CUDAFunctions("loss", "cross_entropy")

    func launch(on queue: CUDAQueue) {
        if isAligned { return launchAligned(on: queue) }
        // A block for every row: what its threads have under way at once covers 16 elements each.
        let threads = max(32, min(1024, (vocabulary + 511) / 512 * 32))
        queue.launch(
            Self.function, blocks: rows, threads: threads, overlaps: true, logits, logits.dtype.code, targets, targets.dtype.code,
            CrossEntropy.ignoreIndex, losses, gradient, gradient?.dtype.code ?? 0, gradientScale, vocabulary)
    }

    private var isAligned: Bool {
        let arrays = [logits] + (gradient.map { [$0] } ?? [])
        return vocabulary % 8 == 0 && (512..<1 << 30).contains(vocabulary)
            && arrays.allSatisfy { $0.dtype == logits.dtype && $0.isAligned(to: 16) }
    }

    /// A multiprocessor has two rows at a time, and one is read while the other is between its passes; each keeps as much as there is shared memory for.
    private func launchAligned(on queue: CUDAQueue) {
        let width = logits.dtype.byteCount
        let room = gradient == nil ? 0 : queue.properties.sharedByteCount / 2 - 1024
        let held = min(vocabulary, room / (8 * width) * 8)
        queue.launch(
            Self.aligned[logits.dtype], blocks: rows, threads: max(64, min(512, (vocabulary + 511) / 512 * 32)), sharedByteCount: held * width,
            overlaps: true, logits, targets, targets.dtype.code, CrossEntropy.ignoreIndex, losses, gradient, gradientScale, Int32(vocabulary),
            Int32(held))
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
