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

/// Kinds of bias.
package enum BiasKind: String, CaseIterable, Sendable {
    case none, slopes, relative, byQuery, byKey

    /// The operands, of ordinary numbers; some distances have buckets that do not exist.
    package func operands(_ shape: AttentionShape, on device: Device) -> AttentionBiasOperands? {
        let count = 5
        func table(_ tokens: Int, _ seed: UInt64) -> Slice {
            device.input(HostileFloats.ordinary(count: shape.batch * shape.heads * tokens * count, seed: seed))
        }
        let (byQuery, byKey) = (table(shape.queries, 11), table(shape.keys, 12))
        let distances = max(shape.queries + shape.keys - 1, 0)
        let buckets = device.integers((0..<distances).map { [0, 3, -1, 4, 1, 5, 2][$0 / 2 % 7] }, as: .int32)
        switch self {
        case .none: return nil
        case .slopes: return .slopes(device.input((0..<shape.heads).map { 0.5 / Float($0 + 1) }))
        case .relative: return .relative(byQuery: byQuery, byKey: byKey, buckets: buckets, count: count)
        case .byQuery: return .relative(byQuery: byQuery, byKey: nil, buckets: buckets, count: count)
        case .byKey: return .relative(byQuery: nil, byKey: byKey, buckets: buckets, count: count)
        }
    }
}

/// An attention kernel's operands, filled with ordinary numbers, and both kernels.
package struct AttentionOperands: Sendable {
    package var inputs: AttentionInputs
    package let output: Slice
    package let logSumExp: Slice
    package var outputGradient: Slice
    package let gradients: AttentionGradient.Gradients

    package init(_ shape: AttentionShape, dtype: DType, ranges: KeyRanges, bias: BiasKind = .none, on device: Device = .tested) {
        let queries = shape.rows * shape.headWidth
        let (keys, values) = (
            shape.batch * shape.keyStride * shape.groups * shape.headWidth, shape.batch * shape.keyStride * shape.groups * shape.valueWidth
        )
        inputs = AttentionInputs(
            shape, query: device.input(HostileFloats.ordinary(count: queries, seed: 1), as: dtype),
            key: device.input(HostileFloats.ordinary(count: keys, seed: 2), as: dtype),
            value: device.input(HostileFloats.ordinary(count: values, seed: 3), as: dtype),
            keyRanges: device.integers(ranges.values(shape), as: .int32), bias: bias.operands(shape, on: device))
        output = device.output(dtype, count: shape.outputCount)
        logSumExp = device.output(.float32, count: shape.rows)
        outputGradient = device.input(HostileFloats.ordinary(count: shape.outputCount, seed: 5), as: dtype)
        var (byQuery, byKey): (Slice?, Slice?)
        if case .relative(let queryTable, let keyTable, _, _) = inputs.bias {
            byQuery = queryTable.map { device.output(.float32, count: $0.count) }
            byKey = keyTable.map { device.output(.float32, count: $0.count) }
        }
        gradients = AttentionGradient.Gradients(
            query: device.output(dtype, count: queries), key: device.output(dtype, count: keys), value: device.output(dtype, count: values),
            byQuery: byQuery, byKey: byKey)
    }

    package var forward: Attention { Attention(inputs, into: output, logSumExp: logSumExp) }

    package var forwardOutputs: [KernelOutput] {
        [
            KernelOutput("output", output, absolute: 2e-6, relative: 1e-5),
            KernelOutput("log-sum-exp", logSumExp, absolute: 2e-6, relative: 2e-6),
        ]
    }

    package var backward: AttentionGradient {
        AttentionGradient(inputs, output: output, logSumExp: logSumExp, outputGradient: outputGradient, into: gradients)
    }

    package var backwardOutputs: [KernelOutput] {
        let named: [(String, Slice?)] = [
            ("query gradient", gradients.query), ("key gradient", gradients.key), ("value gradient", gradients.value),
            ("gradient by query", gradients.byQuery), ("gradient by key", gradients.byKey),
        ]
        return named.compactMap { name, slice in slice.map { KernelOutput(name, $0, absolute: 2e-5, relative: 1e-5) } }
    }
}
