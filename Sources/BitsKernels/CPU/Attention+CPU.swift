internal import CBitsCPU

extension Attention: CPUKernel {
    var suitsC: Bool { shape.headWidth <= BITS_MAX_HEAD_WIDTH }

    func runOnCPU() -> Int32 {
        var shape = shape.inC
        return unsafe bits_cpu_attention(
            &shape, query.pointer, query.dtype.code, key.pointer, key.dtype.code, value.pointer, value.dtype.code, keyRanges.int32s, output.pointer,
            output.dtype.code, logSumExp?.floats)
    }
}

extension AttentionGradient: CPUKernel {
    var suitsC: Bool { shape.headWidth <= BITS_MAX_HEAD_WIDTH }

    func runOnCPU() -> Int32 {
        var shape = shape.inC
        return unsafe bits_cpu_attention_gradient(
            &shape, query.pointer, query.dtype.code, key.pointer, key.dtype.code, value.pointer, value.dtype.code, keyRanges.int32s, output.pointer,
            output.dtype.code, logSumExp.floats, outputGradient.pointer, outputGradient.dtype.code, queryGradient.pointer, queryGradient.dtype.code,
            keyGradient.pointer, keyGradient.dtype.code, valueGradient.pointer, valueGradient.dtype.code)
    }
}

extension AttentionShape {
    /// The shape as the C kernels take it.
    var inC: bits_attention_shape {
        bits_attention_shape(
            batch: Int64(batch), queries: Int64(queries), keys: Int64(keys), key_stride: Int64(keyStride), heads: Int64(heads),
            groups: Int64(groups), width: Int64(headWidth), scale: scale)
    }
}
