extension Rotary: CUDAKernel {
    private static let functions = CUDAFunctions("rotary", "rotary")

    func launch(on queue: CUDAQueue) {
        guard output.count > 0 else { return }
        let (blocks, threads) = queue.sharing(output.count, perThread: 8)
        queue.launch(
            Self.functions[input.dtype, output.dtype], blocks: blocks, threads: threads, overlaps: true, input, cosine, sine, positions, rows, tokens,
            Int32(heads), Int32(headWidth / 2), Int32(inverse ? 1 : 0), output)
    }
}

/// What a decoder does between its projections and attention, in one launch: queries and keys rotated, keys and values written to the cache.
struct CUDARotaryIntoCache: CUDALaunching {
    private static let functions = CUDAFunctions("rotary", "rotary_into_cache")
    /// Threads are numbered by 32 bits.
    private static let mostTokens = 1 << 16

    let query: Rotary
    let key: Rotary
    let write: CacheWrite

    /// nil where the three do not belong together, or are not of one type and aligned.
    init?(query: Rotary, key: Rotary, _ write: CacheWrite) {
        let slices = [query.input, query.output, key.input, key.output, write.value, write.keyCache, write.valueCache]
        guard let positions = query.positions, key.positions?.isSame(as: positions) == true, write.positions.isSame(as: positions),
            key.cosine.isSame(as: query.cosine), key.sine.isSame(as: query.sine), write.key.isSame(as: key.output), !query.inverse, !key.inverse,
            key.headWidth == query.headWidth, query.headWidth % 8 == 0, write.width == key.heads * key.headWidth, write.capacity > 0,
            (1...Self.mostTokens).contains(query.tokens), slices.allSatisfy({ $0.dtype == query.input.dtype }),
            (slices + [query.cosine, query.sine]).allSatisfy({ $0.isAligned(to: 16) })
        else { return nil }
        (self.query, self.key, self.write) = (query, key, write)
    }

    func launch(on queue: CUDAQueue) {
        let threads = query.tokens * (query.heads + 3 * key.heads) * query.headWidth / 8
        queue.launch(
            Self.functions[query.input.dtype], blocks: (threads + 127) / 128, threads: 128, overlaps: true, query.input, key.input, write.value,
            query.cosine, query.sine, query.positions, query.output, key.output, write.keyCache, write.valueCache, query.rows, query.tokens,
            query.tokens / write.sequences, write.capacity, Int32(query.heads), Int32(key.heads), Int32(query.headWidth / 2))
    }
}
