import BitsKernels
import BitsSystem
import Testing
import _BitsTestSupport

@Suite("Attention")
struct AttentionTests {
    static let floats: [DType] = [.float32, .float16, .bfloat16]

    /// B, Tq, Tk, key stride, N, G, H
    static let sizes: [AttentionShape] = [
        shape(1, 1, 1, 1, 1, 1, 16), shape(2, 5, 5, 5, 4, 2, 16), shape(1, 17, 17, 17, 6, 2, 32), shape(2, 40, 40, 40, 2, 2, 40),
        shape(1, 100, 100, 100, 3, 1, 64), shape(1, 33, 70, 80, 2, 1, 20), shape(1, 20, 20, 20, 1, 1, 256), shape(3, 9, 66, 66, 4, 4, 7),
    ]
    /// Few queries against many keys, as in generation.
    static let decoding: [AttentionShape] = [
        shape(1, 1, 33, 100, 12, 4, 64), shape(2, 1, 1500, 1600, 4, 2, 48), shape(1, 2, 2100, 2100, 4, 1, 32), shape(3, 1, 40, 40, 2, 2, 20),
        shape(1, 1, 0, 8, 2, 1, 16), shape(1, 4, 4, 4, 2, 1, 100),
    ]

    @Test("Outputs and log-sum-exps, for every kind of key range", arguments: KeyRanges.allCases, floats)
    func forward(ranges: KeyRanges, dtype: DType) throws {
        for shape in AttentionTests.sizes + AttentionTests.decoding {
            let operands = AttentionOperands(shape, dtype: dtype, ranges: ranges)
            #expect(try deviationsFromReference(operands.forward, outputs: operands.forwardOutputs) == [], "\(shape)")
        }
    }

    @Test("Gradients of queries, keys and values", arguments: KeyRanges.allCases, floats)
    func backward(ranges: KeyRanges, dtype: DType) throws {
        for var shape in AttentionTests.sizes + AttentionTests.decoding.suffix(2) {
            shape.keyStride = shape.keys
            let operands = AttentionOperands(shape, dtype: dtype, ranges: ranges)
            operands.forward.reference(DeviceMemory())
            #expect(try deviationsFromReference(operands.backward, outputs: operands.backwardOutputs) == [], "\(shape)")
        }
    }

    @Test("A bias, and its gradient, for every kind of key range", arguments: KeyRanges.allCases, BiasKind.allCases)
    func biases(ranges: KeyRanges, bias: BiasKind) throws {
        for var shape in AttentionTests.sizes.dropLast(2) + AttentionTests.decoding {
            var operands = AttentionOperands(shape, dtype: .float32, ranges: ranges, bias: bias)
            #expect(try deviationsFromReference(operands.forward, outputs: operands.forwardOutputs) == [], "\(shape)")
            guard shape.keys > 0, shape.keys < 200 else { continue }
            shape.keyStride = shape.keys
            operands = AttentionOperands(shape, dtype: .float32, ranges: ranges, bias: bias)
            operands.forward.reference(DeviceMemory())
            #expect(try deviationsFromReference(operands.backward, outputs: operands.backwardOutputs) == [], "\(shape)")
        }
    }

    @Test("Scores that are bounded before the bias, and their gradients", arguments: KeyRanges.allCases, [BiasKind.none, .slopes, .relative])
    func bounds(ranges: KeyRanges, bias: BiasKind) throws {
        for (size, dtype) in (AttentionTests.sizes + AttentionTests.decoding).enumerated().map({ ($1, $0 % 3 == 1 ? DType.bfloat16 : .float32) }) {
            var shape = size
            shape.cap = 0.6
            var operands = AttentionOperands(shape, dtype: dtype, ranges: ranges, bias: bias)
            #expect(try deviationsFromReference(operands.forward, outputs: operands.forwardOutputs) == [], "\(shape)")
            guard shape.keys > 0, shape.keys < 200 else { continue }
            shape.keyStride = shape.keys
            operands = AttentionOperands(shape, dtype: dtype, ranges: ranges, bias: bias)
            operands.forward.reference(DeviceMemory())
            #expect(try deviationsFromReference(operands.backward, outputs: operands.backwardOutputs) == [], "\(shape)")
        }
    }

    @Test("Windows narrow what the ranges allow", arguments: [AttentionWindow.last(1), .last(6), .last(1000), .around(0), .around(3), .around(1000)])
    func windows(window: AttentionWindow) throws {
        for ranges in KeyRanges.allCases {
            for size in AttentionTests.sizes + AttentionTests.decoding {
                var shape = size
                if case .around = window { shape.keys = shape.queries }
                shape.window = window
                shape.keyStride = shape.keys
                let operands = AttentionOperands(shape, dtype: .float32, ranges: ranges, bias: .slopes)
                #expect(try deviationsFromReference(operands.forward, outputs: operands.forwardOutputs) == [], "\(shape)")
                guard shape.keys > 0, shape.keys < 100 else { continue }
                operands.forward.reference(DeviceMemory())
                #expect(try deviationsFromReference(operands.backward, outputs: operands.backwardOutputs) == [], "\(shape)")
            }
        }
    }

    @Test("A window is what ranges without the keys before it are")
    func windowAsRanges() throws {
        let shape = AttentionTests.shape(2, 30, 30, 30, 2, 1, 16)
        var windowed = AttentionOperands(shape, dtype: .float32, ranges: .causal)
        windowed.inputs.shape.window = .last(5)
        let ranged = AttentionOperands(shape, dtype: .float32, ranges: .slidingWindow)
        for operands in [windowed, ranged] { Device.tested.run(operands.forward) }
        #expect(try windowed.output.downloadBytes() == ranged.output.downloadBytes())
    }

    @Test("Values may be narrower or wider than keys", arguments: floats)
    func valueWidths(dtype: DType) throws {
        for (keyWidth, valueWidth) in [(24, 7), (16, 40), (64, 128), (1, 256)] {
            for (queries, keys) in [(1, 1100), (3, 20), (20, 20)] {
                let shape = AttentionShape(
                    batch: 2, queries: queries, keys: keys, heads: 4, groups: 2, headWidth: keyWidth, valueWidth: valueWidth, scale: 0.2)
                let operands = AttentionOperands(shape, dtype: dtype, ranges: .causal)
                #expect(try deviationsFromReference(operands.forward, outputs: operands.forwardOutputs) == [], "\(shape)")
                guard queries == keys else { continue }
                operands.forward.reference(DeviceMemory())
                #expect(try deviationsFromReference(operands.backward, outputs: operands.backwardOutputs) == [], "\(shape)")
            }
        }
    }

    @Test("Slopes count from the last key, which softmax makes the same as slope times position, wherever positions begin")
    func slopes() throws {
        let (keys, first) = (40, 1_000_000)
        let shape = AttentionTests.shape(1, 1, keys, keys, 1, 1, 16)
        let operands = AttentionOperands(shape, dtype: .float32, ranges: .all, bias: .slopes)
        Device.tested.run(operands.forward)
        let memory = DeviceMemory()
        let (q, k, v) = (memory.floats(operands.inputs.query), memory.floats(operands.inputs.key), memory.floats(operands.inputs.value))
        let scores = (0..<keys).map { key -> Double in
            let product = (0..<16).reduce(0.0) { $0 + Double(q[$1]) * Double(k[key * 16 + $1]) }
            return product / 4 + 0.5 * Double(first + key)
        }
        let top = scores.max() ?? 0
        let weights = scores.map { exp($0 - top) }
        let total = weights.reduce(0, +)
        let found = memory.floats(operands.output)
        for h in 0..<16 {
            var expected = 0.0
            for key in 0..<keys { expected += weights[key] / total * Double(v[key * 16 + h]) }
            #expect(abs(Double(found[h]) - expected) < 1e-5)
        }
    }

    @Test("Types may be mixed")
    func mixedTypes() throws {
        let shape = AttentionTests.shape(2, 20, 20, 20, 4, 2, 24)
        var operands = AttentionOperands(shape, dtype: .float32, ranges: .causal)
        operands.inputs.key = Device.tested.input(HostileFloats.ordinary(count: operands.inputs.key.count, seed: 2), as: .bfloat16)
        operands.inputs.value = Device.tested.input(HostileFloats.ordinary(count: operands.inputs.value.count, seed: 3), as: .float16)
        #expect(try deviationsFromReference(operands.forward, outputs: operands.forwardOutputs) == [])
        #expect(try deviationsFromReference(operands.backward, outputs: operands.backwardOutputs) == [])
    }

    @Test("Keys outside every range are never read")
    func unread() throws {
        for (queries, keys) in [(1, 50), (30, 50)] {
            let shape = AttentionTests.shape(1, queries, keys, keys, 2, 1, 16)
            var operands = AttentionOperands(shape, dtype: .float32, ranges: .all)
            var values = HostileFloats.ordinary(count: operands.inputs.key.count, seed: 4)
            for k in Array(0..<7) + Array(43..<50) { for h in 0..<16 { values[k * 16 + h] = .nan } }
            operands.inputs.key = Device.tested.input(values)
            operands.inputs.value = Device.tested.input(values)
            operands.inputs.keyRanges = Device.tested.integers((0..<queries).flatMap { _ in [7, 43] }, as: .int32)
            #expect(try deviationsFromReference(operands.forward, outputs: operands.forwardOutputs) == [])
            #expect(DeviceMemory().floats(operands.output).allSatisfy { $0.isFinite })
        }
    }

    @Test("NaN and infinities of one packed sequence stay there", arguments: floats)
    func separateSequences(dtype: DType) throws {
        for (batch, queries, keys, cap) in [(1, 40, 40, nil), (2, 33, 33, nil), (2, 33, 33, 2), (1, 4, 61, nil), (1, 4, 61, Float(2))] {
            var shape = AttentionTests.shape(batch, queries, keys, keys, 4, 2, 20)
            shape.cap = cap
            var operands = AttentionOperands(shape, dtype: dtype, ranges: .packed)
            // The last sequence but one, of seven tokens each: from the key range of the token that the last one begins at.
            let end = (keys - 1) / 7 * 7
            func damaged(_ slice: Slice, tokens: Int, last: Int) -> Slice {
                var values = DeviceMemory().floats(slice)
                let width = values.count / shape.batch / tokens
                for (i, k) in (last - 7..<last).enumerated() where k >= 0 {
                    values.replaceSubrange(k * width..<(k + 1) * width, with: repeatElement([.nan, .infinity, -.infinity][i % 3], count: width))
                }
                return Device.tested.input(values, as: slice.dtype)
            }
            operands.inputs.key = damaged(operands.inputs.key, tokens: keys, last: end)
            operands.inputs.value = damaged(operands.inputs.value, tokens: keys, last: end)
            operands.inputs.query = damaged(operands.inputs.query, tokens: queries, last: end - (keys - queries))
            operands.outputGradient = damaged(operands.outputGradient, tokens: queries, last: end - (keys - queries))
            #expect(try deviationsFromReference(operands.forward, outputs: operands.forwardOutputs) == [], "\(shape)")
            guard queries == keys else { continue }
            operands.forward.reference(DeviceMemory())
            #expect(try deviationsFromReference(operands.backward, outputs: operands.backwardOutputs) == [], "\(shape)")
            let gradient = DeviceMemory().floats(operands.gradients.query)
            #expect(gradient.contains { !$0.isFinite } && gradient.count { $0.isFinite } == gradient.count - 7 * 4 * 20)
        }
    }

    @Test(
        "Pairs of bfloat16 are multiplied for many queries alone, and not where a weight of 0 would have to hide what is no number",
        .enabled(if: Device.tested == .cpu), arguments: [(127, false, false), (128, false, true), (128, true, false)])
    func pairs(queries: Int, isDamaged: Bool, isRounded: Bool) throws {
        var operands = AttentionOperands(AttentionTests.shape(1, queries, queries, queries, 2, 1, 16), dtype: .bfloat16, ranges: .packed)
        if isDamaged {
            var keys = DeviceMemory().floats(operands.inputs.key)
            keys[keys.count - 1] = .nan
            operands.inputs.key = Device.tested.input(keys, as: .bfloat16)
        }
        var found: [Bool: Set<[UInt8]>] = [:]
        try ProcessorConditions.forEach { _ in
            guard Processor.level >= .avx512 else { return }
            Device.tested.run(operands.forward)
            found[Processor.features.contains(.avx512BF16), default: []].insert(try operands.output.downloadBytes())
        }
        // Elsewhere there are no pairs to be multiplied.
        guard let paired = found[true], let single = found[false] else { return }
        #expect(paired.count == 1 && single.count == 1)
        #expect((paired != single) == isRounded)
    }

    @Test("Scores far apart do not overflow")
    func farScores() throws {
        for queries in [1, 20] {
            let shape = AttentionShape(batch: 1, queries: queries, keys: 70, heads: 1, groups: 1, headWidth: 16, scale: 60)
            let operands = AttentionOperands(shape, dtype: .float32, ranges: .causal)
            let outputs = operands.forwardOutputs.map { KernelOutput($0.name, $0.slice, absolute: 2e-4, relative: 1e-5) }
            #expect(try deviationsFromReference(operands.forward, outputs: outputs) == [])
        }
    }

    @Test("The reference's gradients agree with differences of its values", arguments: KeyRanges.allCases, BiasKind.allCases)
    func differences(ranges: KeyRanges, bias: BiasKind) throws {
        for cap in [nil, 0.5] as [Float?] { try differences(ranges: ranges, bias: bias, cap: cap) }
    }

    private func differences(ranges: KeyRanges, bias: BiasKind, cap: Float?) throws {
        let shape = AttentionShape(batch: 2, queries: 4, keys: 4, heads: 4, groups: 2, headWidth: 3, valueWidth: 2, scale: 0.6, cap: cap)
        let operands = AttentionOperands(shape, dtype: .float32, ranges: ranges, bias: bias)
        let memory = DeviceMemory()
        let weights = memory.floats(operands.outputGradient)
        func differences(_ slice: Slice, _ replace: (inout AttentionInputs, Slice) -> Void) -> [Double] {
            finiteDifferences(at: memory.floats(slice)) { x in
                var moved = operands
                replace(&moved.inputs, Device.tested.slice(x))
                moved.forward.reference(memory)
                return zip(memory.floats(moved.output), weights).reduce(0) { $0 + Double($1.0) * Double($1.1) }
            }
        }
        let inputs = operands.inputs
        var expected = [
            differences(inputs.query) { $0.query = $1 }, differences(inputs.key) { $0.key = $1 }, differences(inputs.value) { $0.value = $1 },
        ]
        if case .relative(let byQuery, let byKey, let buckets, let count) = inputs.bias {
            if let byQuery {
                expected.append(differences(byQuery) { $0.bias = .relative(byQuery: $1, byKey: byKey, buckets: buckets, count: count) })
            }
            if let byKey {
                expected.append(differences(byKey) { $0.bias = .relative(byQuery: byQuery, byKey: $1, buckets: buckets, count: count) })
            }
        }
        operands.forward.reference(memory)
        operands.backward.reference(memory)
        #expect(operands.backwardOutputs.count == expected.count)
        for (output, gradient) in zip(operands.backwardOutputs, expected) {
            #expect(largestDifference(memory.floats(output.slice), from: gradient) < 1e-3, "\(output.name)")
        }
    }

    static func shape(_ batch: Int, _ queries: Int, _ keys: Int, _ keyStride: Int, _ heads: Int, _ groups: Int, _ width: Int) -> AttentionShape {
        AttentionShape(
            batch: batch, queries: queries, keys: keys, keyStride: keyStride, heads: heads, groups: groups, headWidth: width,
            scale: 1 / Float(width).squareRoot())
    }
}
