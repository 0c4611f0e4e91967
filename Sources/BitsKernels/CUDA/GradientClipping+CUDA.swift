extension VectorNorm: CUDAKernel {
    private static let chunks = CUDAFunction("clipping", "norm_chunks")
    private static let results = CUDAFunction("clipping", "norm_results")

    func launch(on queue: CUDAQueue) {
        guard !inputs.isEmpty else { return }
        let (entries, chunkCount) = ArrayEntry.table(inputs)
        guard let kept else { return launch(queue.upload(entries), chunkCount, on: queue) }
        kept.renew { (table: inout CUDATable<ArrayEntry>?) in
            var changed = table ?? CUDATable()
            changed.change(to: entries, on: queue)
            launch(changed.slice, chunkCount, on: queue)
            table = queue.backend.isSound ? changed : nil
        }
    }

    private func launch(_ arrays: Slice, _ chunkCount: Int, on queue: CUDAQueue) {
        let squares = queue.scratch(.int64, count: chunkCount)
        let others = queue.scratch(.int32, count: chunkCount)
        queue.launch(
            Self.chunks, blocks: queue.blocks(for: chunkCount, each: 16, perMultiprocessor: 32), threads: 256, arrays, Int32(inputs.count),
            chunkCount, squares, others)
        queue.launch(Self.results, blocks: inputs.count, threads: 32, arrays, squares, others, result)
    }
}

extension ClipToNorm: CUDAKernel {
    private static let function = CUDAFunction("clipping", "clip_to_norm")

    func launch(on queue: CUDAQueue) {
        queue.launch(Self.function, blocks: 1, threads: 1, norms, norms.count / 2, scale, limit, result)
    }
}

extension ClipToPercentile: CUDAKernel {
    private static let function = CUDAFunction("clipping", "clip_to_percentile")

    /// One gradient, as `clipping.cu` reads it.
    private struct Entry: BitwiseCopyable {
        var history: UInt64
        var place, percentile, isFirst, padding: Int32
    }

    func launch(on queue: CUDAQueue) {
        guard !gradients.isEmpty else { return }
        let entries = gradients.map { gradient in
            Entry(
                history: UInt64(gradient.history.deviceAddress), place: Int32(gradient.step % ClipToPercentile.historyCount),
                percentile: Int32(gradient.percentile), isFirst: gradient.step == 1 ? 1 : 0, padding: 0)
        }
        queue.launch(Self.function, blocks: entries.count, threads: 128, queue.upload(entries), norms, scale, factors)
    }
}

extension ScaleInPlace: CUDAKernel {
    private static let function = CUDAFunction("clipping", "scale_in_place")

    func launch(on queue: CUDAQueue) {
        let (table, chunkCount) = ArrayEntry.table(values)
        guard chunkCount > 0 else { return }
        queue.launch(
            Self.function, blocks: queue.blocks(for: chunkCount, perMultiprocessor: 32), threads: 256, queue.upload(table), Int32(values.count),
            chunkCount, scale, limit)
    }
}

/// One of many arrays, as `clipping.cu` reads it.
private struct ArrayEntry: BitwiseCopyable, Equatable {
    var values: UInt64
    var count: Int64
    /// The first of its chunks, among those of all arrays.
    var first: Int64
    var type: Int64

    /// The arrays, and how many chunks they have.
    static func table(_ arrays: [Slice]) -> ([ArrayEntry], Int) {
        var chunkCount = 0
        let table = arrays.map { array in
            defer { chunkCount += VectorNorm.chunkCount(of: array.count) }
            return ArrayEntry(
                values: UInt64(array.deviceAddress), count: Int64(array.count), first: Int64(chunkCount), type: Int64(array.dtype.code))
        }
        return (table, chunkCount)
    }
}
