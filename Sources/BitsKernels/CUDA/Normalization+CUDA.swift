extension RMSNorm: CUDAKernel {
    private static let function = CUDAFunction("norm", "rms_norm")
    private static let aligned = CUDAFunctions("rms_norm", "rms_norm")

    func launch(on queue: CUDAQueue) {
        let (rows, width) = (input.count / weight.count, weight.count)
        if let threads = alignedThreads(queue, rows: rows, weight: weight, [input, output]) {
            return queue.launch(
                Self.aligned[input.dtype, weight.dtype], blocks: rows, threads: threads, overlaps: true, input, weight, epsilon, output, reciprocal,
                Int32(width))
        }
        let shared = CUDARows(rows, width: width, perThread: 8)
        queue.launch(
            Self.function, blocks: shared.blocks, threads: shared.threads, overlaps: true, input, input.dtype.code, weight, weight.dtype.code,
            epsilon, output,
            output.dtype.code, reciprocal, rows, width, shared.isWarp)
    }
}

/// A sum and its norm in one launch, as the blocks of a model have them.
struct CUDAAddRMSNorm: CUDALaunching {
    private static let functions = CUDAFunctions("rms_norm", "add_rms_norm")

    private let sum: BinaryElementwise
    private let norm: RMSNorm
    private let threads: Int

    /// nil where the norm is not that of the sum, or the function does not take them.
    init?(_ sum: BinaryElementwise, _ norm: RMSNorm, on queue: CUDAQueue) {
        guard sum.operation == .add, sum.lhs.isContiguous, sum.rhs.isContiguous, norm.input.isSame(as: sum.output), norm.input.count > 0,
            let threads = alignedThreads(
                queue, rows: norm.input.count / norm.weight.count, weight: norm.weight, [norm.input, sum.lhs.slice, sum.rhs.slice, norm.output])
        else { return nil }
        (self.sum, self.norm, self.threads) = (sum, norm, threads)
    }

    func launch(on queue: CUDAQueue) {
        queue.launch(
            Self.functions[norm.input.dtype, norm.weight.dtype], blocks: norm.input.count / norm.weight.count, threads: threads, overlaps: true,
            sum.lhs.slice, sum.rhs.slice, sum.output, norm.weight, norm.epsilon, norm.output, norm.reciprocal, Int32(norm.weight.count))
    }
}

extension RMSNormGradient: CUDAKernel {
    private static let aligned = CUDAFunctions("rms_norm", "rms_norm_gradient")

    func launch(on queue: CUDAQueue) {
        var rest = NormGradient(
            input: input, width: weight.count, weight: weight, mean: nil, reciprocal: reciprocal, outputGradient: outputGradient,
            inputGradient: inputGradient, weightGradient: weightGradient, biasGradient: nil)
        let rows = input.count / weight.count
        if let inputGradient, let threads = alignedThreads(queue, rows: rows, weight: weight, [input, outputGradient, inputGradient]) {
            queue.launch(
                Self.aligned[input.dtype, weight.dtype], blocks: rows, threads: threads, overlaps: true, input, weight, reciprocal, outputGradient,
                inputGradient, Int32(weight.count))
            rest.inputGradient = nil
        }
        rest.launch(on: queue)
    }
}

/// Threads of a block that has a row of `arrays`; nil where the functions of aligned rows do not take them.
private func alignedThreads(_ queue: CUDAQueue, rows: Int, weight: Slice, _ arrays: [Slice]) -> Int? {
    let (width, dtype) = (weight.count, arrays[0].dtype)
    guard width % 8 == 0, (256...16384).contains(width), weight.dtype == dtype || weight.dtype == .float32,
        arrays.allSatisfy({ $0.dtype == dtype }), (arrays + [weight]).allSatisfy({ $0.isAligned(to: 16) })
    else { return nil }
    // Few rows are done sooner by more threads; many fill the multiprocessors better with fewer, each of which has more under way.
    let perThread = width <= 8192 && rows < 2 * queue.properties.multiprocessorCount ? 8 : 16
    return (width + 32 * perThread - 1) / (32 * perThread) * 32
}

extension LayerNorm: CUDAKernel {
    private static let function = CUDAFunction("norm", "layer_norm")

    func launch(on queue: CUDAQueue) {
        let rows = input.count / width
        let shared = CUDARows(rows, width: width, perThread: 8)
        queue.launch(
            Self.function, blocks: shared.blocks, threads: shared.threads, overlaps: true, input, input.dtype.code, weight, weight?.dtype.code ?? 0,
            bias,
            bias?.dtype.code ?? 0, epsilon, output, output.dtype.code, mean, reciprocal, rows, width, shared.isWarp)
    }
}

extension LayerNormGradient: CUDAKernel {
    func launch(on queue: CUDAQueue) {
        NormGradient(
            input: input, width: width, weight: weight, mean: mean, reciprocal: reciprocal, outputGradient: outputGradient,
            inputGradient: inputGradient, weightGradient: weightGradient, biasGradient: biasGradient
        ).launch(on: queue)
    }
}

/// The gradients of both norms: RMS norm is the one without means.
private struct NormGradient {
    private static let ofInput = CUDAFunction("norm", "norm_gradient")
    private static let ofWeight = CUDAFunction("norm", "norm_weight_gradient")
    private static let sumChunks = CUDAFunction("norm", "norm_sum_chunks")

    let input: Slice
    let width: Int
    let weight: Slice?
    let mean: Slice?
    let reciprocal: Slice
    let outputGradient: Slice
    var inputGradient: Slice?
    let weightGradient: Slice?
    let biasGradient: Slice?

    private var rows: Int { input.count / width }

    func launch(on queue: CUDAQueue) {
        if let inputGradient {
            let shared = CUDARows(rows, width: width, perThread: 8, mostThreads: 512)
            queue.launch(
                Self.ofInput, blocks: shared.blocks, threads: shared.threads, overlaps: true, input, input.dtype.code, weight,
                weight?.dtype.code ?? 0, mean,
                reciprocal, outputGradient, outputGradient.dtype.code, inputGradient, inputGradient.dtype.code, rows, width, shared.isWarp)
        }
        if weightGradient != nil || biasGradient != nil { launchSums(on: queue) }
    }

    /// Sums over the rows: of chunks of them, then of the chunks where there are several.
    private func launchSums(on queue: CUDAQueue) {
        let columnBlocks = (width + 127) / 128
        let chunks = max(1, min((rows + 63) / 64, 4 * queue.properties.multiprocessorCount / columnBlocks))
        let targets = [weightGradient, biasGradient]
        let parts = chunks == 1 ? targets : targets.map { $0 == nil ? nil : queue.scratch(.float32, count: chunks * width) }
        queue.launch(
            Self.ofWeight, blocks: CUDAGrid(columnBlocks, chunks), threads: 256, overlaps: true, input, input.dtype.code, mean, reciprocal,
            outputGradient,
            outputGradient.dtype.code, parts[0], parts[0]?.dtype.code ?? 0, parts[1], parts[1]?.dtype.code ?? 0, rows, width,
            (rows + chunks - 1) / chunks)
        guard chunks > 1 else { return }
        for (part, target) in zip(parts, targets) {
            guard let part, let target else { continue }
            queue.launch(
                Self.sumChunks, blocks: (width + 127) / 128, threads: 128, overlaps: true, part, Int32(chunks), target, target.dtype.code, width)
        }
    }
}
