/// The sizes of an attention kernel.
///
/// B = `batch`, Tq = `queries`, Tk = `keys`, N = `heads`, G = `groups` (key and value heads; N % G == 0), H = `headWidth`.
/// Keys and values of one batch entry lie `keyStride` tokens from the next one's (a cache has room for more than Tk).
package struct AttentionShape: Sendable, Equatable {
    package var batch: Int
    package var queries: Int
    package var keys: Int
    package var keyStride: Int
    package var heads: Int
    package var groups: Int
    package var headWidth: Int
    /// Multiplies the scores; usually `1 / sqrt(headWidth)`.
    package var scale: Float

    package init(batch: Int, queries: Int, keys: Int, keyStride: Int? = nil, heads: Int, groups: Int, headWidth: Int, scale: Float) {
        precondition(groups > 0 && heads % groups == 0, "\(heads) heads cannot share \(groups) key heads")
        self.batch = batch
        self.queries = queries
        self.keys = keys
        self.keyStride = keyStride ?? keys
        self.heads = heads
        self.groups = groups
        self.headWidth = headWidth
        self.scale = scale
    }
}

/// Scaled dot-product attention with streaming softmax; no queries × keys matrix is kept.
///
/// For batch entry b, query q and head n, over keys `k` in `[keyRanges[b, q, 0], keyRanges[b, q, 1])`:
/// `s_k = scale * query[b, q, n] · key[b, k, n / (N / G)]`, `output[b, q, n] = sum_k softmax(s)_k value[b, k, n / (N / G)]`,
/// `logSumExp[b, n, q] = log sum_k exp(s_k)`. An empty range gives output 0 and logSumExp -inf.
///
/// Shapes: query and output [B, Tq, N, H], key and value [B, keyStride, G, H] of which Tk tokens count, keyRanges int32 [B, Tq, 2], logSumExp float32 [B, N, Tq].
package struct Attention: Kernel {
    package static let name = "attention"
    package var shape: AttentionShape
    package var query: Slice
    package var key: Slice
    package var value: Slice
    package var keyRanges: Slice
    package var output: Slice
    package var logSumExp: Slice?

    package init(shape: AttentionShape, query: Slice, key: Slice, value: Slice, keyRanges: Slice, into output: Slice, logSumExp: Slice?) {
        precondition(
            query.count == shape.batch * shape.queries * shape.heads * shape.headWidth && output.count == query.count
                && key.count >= ((shape.batch - 1) * shape.keyStride + shape.keys) * shape.groups * shape.headWidth && value.count >= key.count
                && keyRanges.count == shape.batch * shape.queries * 2, "attention operands do not fit \(shape)")
        self.shape = shape
        self.query = query
        self.key = key
        self.value = value
        self.keyRanges = keyRanges
        self.output = output
        self.logSumExp = logSumExp
    }

    package mutating func visitOperands(_ visitor: inout OperandVisitor) {
        visitor.reads("query", &query)
        visitor.reads("key", &key)
        visitor.reads("value", &value)
        visitor.reads("keyRanges", &keyRanges)
        visitor.writes("output", &output)
        visitor.writes("logSumExp", &logSumExp)
    }
}

/// Gradients of ``Attention``, which recompute the probabilities `p = exp(s - logSumExp)`: with `d = outputGradient · output` per query and head,
/// `valueGradient_k = sum_q p outputGradient_q`, `ds = p * (outputGradient · value_k - d)`, `queryGradient = scale * sum_k ds key_k`,
/// `keyGradient_k = scale * sum_q ds query_q` (sums over a group's heads too). Gradients have the operands' shapes, contiguous (keyStride == keys), and are written, not added.
package struct AttentionGradient: Kernel {
    package static let name = "attention_gradient"
    package var shape: AttentionShape
    package var query: Slice
    package var key: Slice
    package var value: Slice
    package var keyRanges: Slice
    package var output: Slice
    package var logSumExp: Slice
    package var outputGradient: Slice
    package var queryGradient: Slice
    package var keyGradient: Slice
    package var valueGradient: Slice

    package init(
        shape: AttentionShape, query: Slice, key: Slice, value: Slice, keyRanges: Slice, output: Slice, logSumExp: Slice, outputGradient: Slice,
        queryGradient: Slice, keyGradient: Slice, valueGradient: Slice
    ) {
        precondition(shape.keyStride == shape.keys, "the gradient of attention takes contiguous keys")
        self.shape = shape
        self.query = query
        self.key = key
        self.value = value
        self.keyRanges = keyRanges
        self.output = output
        self.logSumExp = logSumExp
        self.outputGradient = outputGradient
        self.queryGradient = queryGradient
        self.keyGradient = keyGradient
        self.valueGradient = valueGradient
    }

    package mutating func visitOperands(_ visitor: inout OperandVisitor) {
        visitor.reads("query", &query)
        visitor.reads("key", &key)
        visitor.reads("value", &value)
        visitor.reads("keyRanges", &keyRanges)
        visitor.reads("output", &output)
        visitor.reads("logSumExp", &logSumExp)
        visitor.reads("outputGradient", &outputGradient)
        visitor.writes("queryGradient", &queryGradient)
        visitor.writes("keyGradient", &keyGradient)
        visitor.writes("valueGradient", &valueGradient)
    }
}
