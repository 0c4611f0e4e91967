extension EmbeddingGather: CUDAKernel {
    private static let function = CUDAFunction("embedding", "embedding_gather")

    func launch(on queue: CUDAQueue) {
        guard output.count > 0 else { return }
        let threads = min(256, (width + 127) / 128 * 32)
        let blocksPerRow = (width + 4 * threads - 1) / (4 * threads)
        queue.launch(
            Self.function, blocks: indices.count * blocksPerRow, threads: threads, overlaps: true, table, table.dtype.code, table.count / width,
            width, indices,
            indices.dtype.code, output, output.dtype.code, blocksPerRow)
    }
}

extension EmbeddingScatterAdd: CUDAKernel {
    private static let find = CUDAFunction("embedding", "embedding_find")
    private static let add = CUDAFunction("embedding", "embedding_add")
    /// Columns that a block adds.
    private static let columns = 4096

    func launch(on queue: CUDAQueue) {
        guard outputGradient.count > 0, tableGradient.count > 0 else { return }
        let vocabulary = tableGradient.count / width
        let found = queue.scratch(.int32, count: 2 * vocabulary)
        let (occurrences, firsts) = (found[0..<vocabulary], found[vocabulary..<2 * vocabulary])
        queue.clear(found)
        queue.launch(
            Self.find, blocks: (indices.count + 255) / 256, threads: 256, overlaps: true, indices, indices.dtype.code, indices.count, vocabulary,
            occurrences, firsts)
        queue.launch(
            Self.add, blocks: CUDAGrid(indices.count, (width + Self.columns - 1) / Self.columns), threads: 256, overlaps: true, outputGradient,
            outputGradient.dtype.code, indices, indices.dtype.code, indices.count, width, vocabulary, occurrences, firsts, tableGradient,
            tableGradient.dtype.code)
    }
}
