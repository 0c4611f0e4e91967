internal import CBitsCPU

extension AdvancePositions: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_advance_positions(lengths.int32s, Int64(lengths.count), Int64(tokens), positions.int32s, keyRanges.int32s)
    }
}

extension CacheWrite: CPUKernel {
    func runOnCPU() -> Int32 {
        unsafe bits_cpu_cache_write(
            key.pointer, key.dtype.code, value.pointer, value.dtype.code, positions.int32s, keyCache.pointer, valueCache.pointer, keyCache.dtype.code,
            Int64(sequences), Int64(positions.count / sequences), Int64(capacity), Int64(width))
    }
}

extension SampleTokens: CPUKernel {
    func runOnCPU() -> Int32 {
        var options = bits_sampling(
            temperature: rule.temperature, top_k: Int64(rule.topK), top_p: rule.topP, min_p: rule.minP, repetition_penalty: rule.repetitionPenalty)
        return unsafe bits_cpu_sample_tokens(
            &options, logits.pointer, logits.dtype.code, positions.int32s, seeds?.int64s,
            seen?.bytes, tokens.int32s, Int64(tokens.count), Int64(vocabulary))
    }
}
