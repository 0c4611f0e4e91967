internal import CBitsCPU

extension Attention: CPUKernel {
    var suitsC: Bool { inputs.shape.fitsC }

    func runOnCPU() -> Int32 {
        var (shape, operands) = unsafe (inputs.shape.inC, inputs.inC)
        return unsafe bits_cpu_attention(&shape, &operands, output.pointer, output.dtype.code, logSumExp?.floats)
    }
}

extension AttentionGradient: CPUKernel {
    var suitsC: Bool { inputs.shape.fitsC }

    func runOnCPU() -> Int32 {
        var (shape, operands) = unsafe (inputs.shape.inC, inputs.inC)
        var gradients = unsafe bits_attention_gradients(
            output: output.pointer, doutput: outputGradient.pointer, log_sum_exp: logSumExp.floats, dquery: gradients.query.pointer,
            dkey: gradients.key.pointer, dvalue: gradients.value.pointer, dby_query: gradients.byQuery?.floats, dby_key: gradients.byKey?.floats,
            output_dtype: output.dtype.code, doutput_dtype: outputGradient.dtype.code, dquery_dtype: gradients.query.dtype.code,
            dkey_dtype: gradients.key.dtype.code, dvalue_dtype: gradients.value.dtype.code)
        return unsafe bits_cpu_attention_gradient(&shape, &operands, &gradients)
    }
}

extension AttentionShape {
    /// Whether the C kernels take heads as wide as these.
    var fitsC: Bool { max(headWidth, valueWidth) <= BITS_MAX_HEAD_WIDTH }

    /// The shape as the C kernels take it.
    var inC: bits_attention_shape {
        let (kind, size): (Int, Int) =
            switch window {
            case nil: (BITS_WINDOW_NONE, 0)
            case .last(let count): (BITS_WINDOW_LAST, count)
            case .around(let distance): (BITS_WINDOW_AROUND, distance)
            }
        return bits_attention_shape(
            batch: Int64(batch), queries: Int64(queries), keys: Int64(keys), key_stride: Int64(keyStride), heads: Int64(heads),
            groups: Int64(groups), width: Int64(headWidth), value_width: Int64(valueWidth), scale: scale, cap: cap ?? 0, window: Int32(kind),
            window_size: Int64(size))
    }
}

extension AttentionInputs {
    /// The operands as the C kernels take them; valid while the slices live.
    fileprivate var inC: bits_attention_inputs {
        var result = unsafe bits_attention_inputs()
        unsafe (result.query, result.query_dtype) = (UnsafeRawPointer(query.pointer), query.dtype.code)
        unsafe (result.key, result.key_dtype) = (UnsafeRawPointer(key.pointer), key.dtype.code)
        unsafe (result.value, result.value_dtype) = (UnsafeRawPointer(value.pointer), value.dtype.code)
        unsafe result.ranges = UnsafePointer(keyRanges.int32s)
        switch bias {
        case nil: break
        case .slopes(let slopes): unsafe result.slopes = UnsafePointer(slopes.floats)
        case .relative(let byQuery, let byKey, let buckets, let count):
            if let byQuery { unsafe result.by_query = UnsafePointer(byQuery.floats) }
            if let byKey { unsafe result.by_key = UnsafePointer(byKey.floats) }
            unsafe result.buckets = UnsafePointer(buckets.int32s)
            unsafe result.bucket_count = Int64(count)
        }
        return unsafe result
    }
}
