extension AdvancePositions: CUDAKernel {
    private static let function = CUDAFunction("decoding", "advance_positions")

    func launch(on queue: CUDAQueue) {
        queue.launch(
            Self.function, blocks: lengths.count, threads: tokens > 32 ? 256 : 32, overlaps: true, lengths, tokens, positions, keyRanges)
    }
}

extension CacheWrite: CUDAKernel {
    private static let functions = CUDAFunctions("decoding", "cache_write")

    func launch(on queue: CUDAQueue) {
        guard key.count > 0, capacity > 0 else { return }
        let (blocks, threads) = queue.sharing(key.count, perThread: 8)
        queue.launch(
            Self.functions[keyCache.dtype], blocks: blocks, threads: threads, overlaps: true, key, value, key.dtype.code, value.dtype.code, positions,
            keyCache, valueCache, positions.count, positions.count / sequences, capacity, width)
    }
}

extension SampleTokens: CUDAKernel {
    private static let functions = CUDAFunctions("sampling", "sample_tokens")
    /// Smaller vocabularies are not worth sharing.
    private static let leastShared = 4096

    func launch(on queue: CUDAQueue) {
        // Weights lie at multiples of 16 bytes.
        let stride = (vocabulary + 3) / 4 * 4
        let weights = rule.temperature == 0 ? nil : queue.scratch(.float32, count: tokens.count * stride)
        // The sum of as many weights as there are tokens, each at most 1, is below 2^63 units.
        let scale = 62 - (Int.bitWidth - vocabulary.leadingZeroBitCount)
        let cluster = vocabulary >= Self.leastShared && queue.properties.computeCapability >= 90 ? 8 : 1
        queue.launch(
            Self.functions[logits.dtype], blocks: tokens.count * cluster, threads: 1024, cluster: cluster, overlaps: true, logits, positions, seeds,
            seen, tokens,
            Int32(vocabulary), rule.temperature, rule.topK, rule.topP, rule.minP, rule.repetitionPenalty, weights, stride, Int32(scale))
    }
}
