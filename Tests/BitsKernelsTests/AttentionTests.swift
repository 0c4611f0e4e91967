import BitsKernels
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

    @Test("Types may be mixed")
    func mixedTypes() throws {
        let shape = AttentionTests.shape(2, 20, 20, 20, 4, 2, 24)
        var operands = AttentionOperands(shape, dtype: .float32, ranges: .causal)
        operands.key = Device.cpu.input(HostileFloats.ordinary(count: operands.key.count, seed: 2), as: .bfloat16)
        operands.value = Device.cpu.input(HostileFloats.ordinary(count: operands.value.count, seed: 3), as: .float16)
        #expect(try deviationsFromReference(operands.forward, outputs: operands.forwardOutputs) == [])
        #expect(try deviationsFromReference(operands.backward, outputs: operands.backwardOutputs) == [])
    }

    @Test("Keys outside every range are never read")
    func unread() throws {
        for (queries, keys) in [(1, 50), (30, 50)] {
            let shape = AttentionTests.shape(1, queries, keys, keys, 2, 1, 16)
            var operands = AttentionOperands(shape, dtype: .float32, ranges: .all)
            var values = HostileFloats.ordinary(count: operands.key.count, seed: 4)
            for k in Array(0..<7) + Array(43..<50) { for h in 0..<16 { values[k * 16 + h] = .nan } }
            operands.key = Device.cpu.input(values)
            operands.value = Device.cpu.input(values)
            operands.keyRanges = Device.cpu.integers((0..<queries).flatMap { _ in [7, 43] }, as: .int32)
            #expect(try deviationsFromReference(operands.forward, outputs: operands.forwardOutputs) == [])
            #expect(DeviceMemory().floats(operands.output).allSatisfy { $0.isFinite })
        }
    }

    @Test("NaN and infinities of one packed sequence stay there", arguments: floats)
    func separateSequences(dtype: DType) throws {
        for (batch, queries, keys) in [(1, 40, 40), (2, 33, 33), (1, 4, 61)] {
            let shape = AttentionTests.shape(batch, queries, keys, keys, 4, 2, 20)
            var operands = AttentionOperands(shape, dtype: dtype, ranges: .packed)
            // The last sequence but one, of seven tokens each: from the key range of the token that the last one begins at.
            let end = (keys - 1) / 7 * 7
            func damaged(_ slice: Slice, tokens: Int, last: Int) -> Slice {
                var values = DeviceMemory().floats(slice)
                let width = values.count / shape.batch / tokens
                for (i, k) in (last - 7..<last).enumerated() where k >= 0 {
                    values.replaceSubrange(k * width..<(k + 1) * width, with: repeatElement([.nan, .infinity, -.infinity][i % 3], count: width))
                }
                return Device.cpu.input(values, as: slice.dtype)
            }
            operands.key = damaged(operands.key, tokens: keys, last: end)
            operands.value = damaged(operands.value, tokens: keys, last: end)
            operands.query = damaged(operands.query, tokens: queries, last: end - (keys - queries))
            operands.outputGradient = damaged(operands.outputGradient, tokens: queries, last: end - (keys - queries))
            #expect(try deviationsFromReference(operands.forward, outputs: operands.forwardOutputs) == [], "\(shape)")
            guard queries == keys else { continue }
            operands.forward.reference(DeviceMemory())
            #expect(try deviationsFromReference(operands.backward, outputs: operands.backwardOutputs) == [], "\(shape)")
            let gradient = DeviceMemory().floats(operands.gradients[0])
            #expect(gradient.contains { !$0.isFinite } && gradient.count { $0.isFinite } == gradient.count - 7 * 4 * 20)
        }
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

    @Test("The reference's gradients agree with differences of its values", arguments: KeyRanges.allCases)
    func differences(ranges: KeyRanges) throws {
        let shape = AttentionTests.shape(2, 4, 4, 4, 4, 2, 3)
        let operands = AttentionOperands(shape, dtype: .float32, ranges: ranges)
        let memory = DeviceMemory()
        let weights = memory.floats(operands.outputGradient)
        func differences(_ path: WritableKeyPath<AttentionOperands, Slice>) -> [Double] {
            finiteDifferences(at: memory.floats(operands[keyPath: path])) { x in
                var moved = operands
                moved[keyPath: path] = Device.cpu.slice(x)
                moved.forward.reference(memory)
                return zip(memory.floats(moved.output), weights).reduce(0) { $0 + Double($1.0) * Double($1.1) }
            }
        }
        let expected = [differences(\.query), differences(\.key), differences(\.value)]
        operands.forward.reference(memory)
        operands.backward.reference(memory)
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
