import BitsCore
import BitsNN
import Testing
import _BitsTestSupport

@Suite("Keys and values kept")
struct KeyValueCacheTests {
    // B = 2, T = 6, N = 4, G = 2, H = 8.
    private let (query, key, value): (Tensor, Tensor, Tensor)

    init() {
        var random = RandomGenerator(seed: 1)
        query = Tensor.normal([2, 6, 4, 8], using: &random)
        key = Tensor.normal([2, 6, 2, 8], using: &random)
        value = Tensor.normal([2, 6, 2, 8], using: &random)
    }

    private func causal(_ tokens: Range<Int>) -> AttentionRanges {
        AttentionRanges((0..<2).flatMap { _ in tokens.map { 0..<$0 + 1 } }, batch: 2)
    }

    @Test("Attention over the cache, some tokens at a time, equals attention over all at once", arguments: [[6], [1, 1, 1, 1, 1, 1], [3, 2, 1]])
    func pieces(steps: [Int]) throws {
        let whole = attention(query: query, key: key, value: value, ranges: causal(0..<6))
        let cache = KeyValueCache(layers: 2, batch: 2, capacity: 9, heads: 2, headWidth: 8)
        var parts: [Tensor] = []
        for step in steps {
            let tokens = cache.length..<cache.length + step
            // The first layer gets something else, to see that layers are kept apart.
            _ = cache.append(layer: 0, key: Tensor.ones([2, step, 2, 8]), value: Tensor.ones([2, step, 2, 8]))
            let (k, v) = cache.append(layer: 1, key: key.narrowed(1, tokens), value: value.narrowed(1, tokens))
            #expect(k.shape == [2, tokens.upperBound, 2, 8])
            parts.append(attention(query: query.narrowed(1, tokens), key: k, value: v, ranges: causal(tokens)))
            cache.advance(step)
        }
        #expect(cache.length == 6)
        #expect(try distance(Tensor.concatenated(parts, axis: 1), whole) < 1e-6)
    }

    @Test("After truncation the cache goes on from there")
    func truncation() throws {
        let cache = KeyValueCache(layers: 1, batch: 2, capacity: 6, heads: 2, headWidth: 8)
        _ = cache.append(layer: 0, key: Tensor.ones([2, 4, 2, 8]), value: Tensor.ones([2, 4, 2, 8]))
        cache.advance(4)
        cache.truncate(to: 1)
        let (k, _) = cache.append(layer: 0, key: Tensor.zeros([2, 1, 2, 8]), value: Tensor.zeros([2, 1, 2, 8]))
        #expect(k.shape[1] == 2)
        #expect(try k.sum().item() == 32)
    }

    @Test("Entries may be narrower than what is computed")
    func narrowEntries() throws {
        let cache = KeyValueCache(layers: 1, batch: 2, capacity: 6, heads: 2, headWidth: 8, dtype: .bfloat16)
        let (k, v) = cache.append(layer: 0, key: key, value: value)
        #expect(k.dtype == .bfloat16)
        let whole = attention(query: query, key: key, value: value, ranges: causal(0..<6))
        #expect(try distance(attention(query: query, key: k, value: v, ranges: causal(0..<6)), whole) < 0.02)
    }

    @Test("More tokens than fit stop the process")
    func overflow() async {
        await #expect(processExitsWith: .failure) {
            let cache = KeyValueCache(layers: 1, capacity: 2, heads: 1, headWidth: 2)
            _ = cache.append(layer: 0, key: Tensor.zeros([1, 3, 1, 2]), value: Tensor.zeros([1, 3, 1, 2]))
        }
        await #expect(processExitsWith: .failure) { KeyValueCache(layers: 1, capacity: 2, heads: 1, headWidth: 2).truncate(to: 1) }
    }
}

@Suite("Rotary embedding")
struct RotaryEmbeddingTests {
    @Test("Frequencies fall from 1 by powers of theta")
    func frequencies() {
        let rotary = RotaryEmbedding(headWidth: 8, theta: 10_000)
        #expect(zip(rotary.frequencies, [1, 0.1, 0.01, 0.001] as [Float]).allSatisfy { abs($0 / $1 - 1) < 1e-6 })
        let linear = RotaryEmbedding(headWidth: 8, theta: 10_000, scaling: .linear(factor: 4))
        #expect(zip(linear.frequencies, rotary.frequencies).allSatisfy { $0 == $1 / 4 })
    }

    @Test("Llama 3.1 divides long wavelengths, keeps short ones and passes smoothly between them")
    func llama3() {
        let scaling = RotaryEmbedding.Scaling.llama3(factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContext: 8192)
        let plain = RotaryEmbedding(headWidth: 128, theta: 500_000).frequencies
        let scaled = RotaryEmbedding(headWidth: 128, theta: 500_000, scaling: scaling).frequencies
        for (index, (frequency, found)) in zip(plain, scaled).enumerated() {
            let wavelength = 2 * Double.pi / Double(frequency)
            if wavelength < 2048 {
                #expect(found == frequency, "\(index)")
            } else if wavelength > 8192 {
                #expect(found == frequency / 8, "\(index)")
            } else {
                // Between: the share of the unscaled one goes from 0 to 1 as the context's number of waves goes from 1 to 4.
                let share = (8192 / wavelength - 1) / 3
                let expected = Double(frequency) * (share + (1 - share) / 8)
                #expect(abs(Double(found) / expected - 1) < 1e-5, "\(index)")
            }
        }
        #expect(scaled != plain)
    }

    @Test("Rotation keeps lengths, and products depend only on the distance of positions")
    func relative() throws {
        var random = RandomGenerator(seed: 1)
        let (q, k) = (Tensor.normal([1, 1, 1, 8], using: &random), Tensor.normal([1, 1, 1, 8], using: &random))
        let rotary = RotaryEmbedding(headWidth: 8, theta: 100)
        func product(_ a: Int32, _ b: Int32) throws -> Float { try (q.rotated(rotary.angles([a])) * k.rotated(rotary.angles([b]))).sum().item() }
        #expect(try abs(product(3, 1) - product(12, 10)) < 1e-5)
        #expect(try abs(product(3, 1) - product(3, 2)) > 1e-3)
        #expect(try abs(q.rotated(rotary.angles([7])).squared().sum().item() - q.squared().sum().item()) < 1e-5)
        #expect(try q.rotated(rotary.angles([0])).floats() == q.floats())
    }
}
