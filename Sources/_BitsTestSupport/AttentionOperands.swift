package import BitsKernels

/// Kinds of key ranges.
package enum KeyRanges: String, CaseIterable, Sendable {
    case all, causal, slidingWindow, leftPadded, packed, someEmpty

    /// [B, Tq, 2]
    package func values(_ shape: AttentionShape) -> [Int] {
        (0..<shape.batch).flatMap { b in
            (0..<shape.queries).flatMap { q -> [Int] in
                let end = shape.keys - shape.queries + q + 1  // the last key a causal query sees, plus one
                switch self {
                case .all: return [0, shape.keys]
                case .causal: return [0, end]
                case .slidingWindow: return [end - 5, end]
                case .leftPadded: return [min(b + 2, end - 1), end]
                case .packed: return [max(0, end - 1 - (end - 1) % 7), end]
                case .someEmpty: return q % 3 == 1 ? [4, 4] : q % 3 == 2 ? [9, 2] : [-3, shape.keys + 5]
                }
            }
        }
    }
}

/// An attention kernel's operands, filled with ordinary numbers, and both kernels.
package struct AttentionOperands: Sendable {
    package let shape: AttentionShape
    package var query: Slice
    package var key: Slice
    package var value: Slice
    package var keyRanges: Slice
    package let output: Slice
    package let logSumExp: Slice
    package var outputGradient: Slice
    package let gradients: [Slice]

    package init(_ shape: AttentionShape, dtype: DType, ranges: KeyRanges, on device: Device = .cpu) {
        let queries = shape.batch * shape.queries * shape.heads * shape.headWidth
        let keys = shape.batch * shape.keyStride * shape.groups * shape.headWidth
        self.shape = shape
        query = device.input(HostileFloats.ordinary(count: queries, seed: 1), as: dtype)
        key = device.input(HostileFloats.ordinary(count: keys, seed: 2), as: dtype)
        value = device.input(HostileFloats.ordinary(count: keys, seed: 3), as: dtype)
        keyRanges = device.integers(ranges.values(shape), as: .int32)
        output = device.output(dtype, count: queries)
        logSumExp = device.output(.float32, count: shape.batch * shape.heads * shape.queries)
        outputGradient = device.input(HostileFloats.ordinary(count: queries, seed: 5), as: dtype)
        gradients = [device.output(dtype, count: queries), device.output(dtype, count: keys), device.output(dtype, count: keys)]
    }

    package var forward: Attention {
        Attention(shape: shape, query: query, key: key, value: value, keyRanges: keyRanges, into: output, logSumExp: logSumExp)
    }

    package var forwardOutputs: [KernelOutput] {
        [
            KernelOutput("output", output, absolute: 2e-6, relative: 1e-5),
            KernelOutput("log-sum-exp", logSumExp, absolute: 2e-6, relative: 2e-6),
        ]
    }

    package var backward: AttentionGradient {
        AttentionGradient(
            shape: shape, query: query, key: key, value: value, keyRanges: keyRanges, output: output, logSumExp: logSumExp,
            outputGradient: outputGradient, queryGradient: gradients[0], keyGradient: gradients[1], valueGradient: gradients[2])
    }

    package var backwardOutputs: [KernelOutput] {
        zip(["query gradient", "key gradient", "value gradient"], gradients).map { KernelOutput($0, $1, absolute: 2e-5, relative: 1e-5) }
    }
}
