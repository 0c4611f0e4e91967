/// Scaled dot-product attention with streaming softmax; no queries × keys matrix is kept.
///
/// For batch entry b, query q and head n, over the keys `k` that it sees (``AttentionInputs/keyRanges``):
/// `s_k = bounded(scale * query[b, q, n] · key[b, k, n / (N / G)]) + bias_k`, `output[b, q, n] = sum_k softmax(s)_k value[b, k, n / (N / G)]`,
/// `logSumExp[b, n, q] = log sum_k exp(s_k)`, where `bounded(x)` is `cap * tanh(x / cap)`, and `x` without a cap. A query that sees nothing gives output 0 and logSumExp -inf.
///
/// Shapes: output [B, Tq, N, Hv], logSumExp float32 [B, N, Tq].
package struct Attention: Kernel {
    package static let name = "attention"
    package var inputs: AttentionInputs
    package var output: Slice
    package var logSumExp: Slice?

    package init(_ inputs: AttentionInputs, into output: Slice, logSumExp: Slice?) {
        let shape = inputs.shape
        precondition(
            output.count == shape.outputCount && (logSumExp == nil || logSumExp!.count == shape.rows),
            "attention of \(shape) into \(output.count) elements")
        (self.inputs, self.output, self.logSumExp) = (inputs, output, logSumExp)
    }

    package static let operandList: OperandList<Self> = [.parts(\.inputs), .writes("output", \.output), .writes("logSumExp", \.logSumExp)]
}

/// Gradients of ``Attention``, which recompute the probabilities `p = exp(s - logSumExp)`: with `d = outputGradient · output` per query and head,
/// `valueGradient_k = sum_q p outputGradient_q`, `ds = p * (outputGradient · value_k - d)`, `dx = ds * (1 - (bounded / cap)^2)`,
/// `ds` itself without a cap, `queryGradient = scale * sum_k dx key_k`, `keyGradient_k = scale * sum_q dx query_q` (sums over a group's heads too), and of a
/// relative bias, with the bucket `c` of each pair, `byQueryGradient[q, c] = sum_k ds`, `byKeyGradient[k, c] = sum_q ds`.
///
/// Gradients have the operands' shapes, contiguous (keyStride == keys), and are written, not added.
package struct AttentionGradient: Kernel {
    package static let name = "attention_gradient"
    package var inputs: AttentionInputs
    package var output: Slice
    package var logSumExp: Slice
    package var outputGradient: Slice
    package var gradients: Gradients

    /// What is computed; those of the bias only where they are wanted.
    package struct Gradients: OperandGroup {
        package var query: Slice
        package var key: Slice
        package var value: Slice
        package var byQuery: Slice?
        package var byKey: Slice?

        package init(query: Slice, key: Slice, value: Slice, byQuery: Slice? = nil, byKey: Slice? = nil) {
            (self.query, self.key, self.value, self.byQuery, self.byKey) = (query, key, value, byQuery, byKey)
        }

        package static let operandList: OperandList<Self> = [
            .writes("query", \.query), .writes("key", \.key), .writes("value", \.value), .writes("byQuery", \.byQuery), .writes("byKey", \.byKey),
        ]
    }

    package init(_ inputs: AttentionInputs, output: Slice, logSumExp: Slice, outputGradient: Slice, into gradients: Gradients) {
        let shape = inputs.shape
        precondition(shape.keyStride == shape.keys, "the gradient of attention takes contiguous keys")
        precondition(
            output.count == shape.outputCount && outputGradient.count == output.count && logSumExp.count == shape.rows
                && gradients.query.count == inputs.query.count && gradients.key.count == shape.keyCount
                && gradients.value.count == shape.valueCount, "gradients of attention do not fit \(shape)")
        (self.inputs, self.output, self.logSumExp, self.outputGradient, self.gradients) = (inputs, output, logSumExp, outputGradient, gradients)
    }

    package static let operandList: OperandList<Self> = [
        .parts(\.inputs), .reads("output", \.output), .reads("logSumExp", \.logSumExp), .reads("outputGradient", \.outputGradient),
        .group("gradients", \.gradients),
    ]
}
