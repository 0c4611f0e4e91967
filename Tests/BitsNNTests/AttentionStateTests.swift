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

    private let causal = AttentionRanges((0..<2).flatMap { _ in (0..<6).map { 0..<$0 + 1 } }, batch: 2)

    /// Attention of these tokens through the cache's second layer. The first gets something else, to see that layers are kept apart.
    private func attended(_ cache: KeyValueCache, _ tokens: Range<Int>, sequences: Range<Int> = 0..<2) -> Tensor {
        func part(_ x: Tensor) -> Tensor { x.narrowed(axis: 0, to: sequences).narrowed(axis: 1, to: tokens) }
        let places = cache.advance(by: tokens.count)
        _ = cache.append(layer: 0, key: Tensor.ones(part(key).shape), value: Tensor.ones(part(key).shape))
        let (k, v) = cache.append(layer: 1, key: part(key), value: part(value))
        return attention(query: part(query), key: k, value: v, ranges: places.ranges)
    }

    @Test("Attention over the cache, some tokens at a time, equals attention over all at once", arguments: [[6], [1, 1, 1, 1, 1, 1], [3, 2, 1]])
    func pieces(steps: [Int]) throws {
        let whole = attention(query: query, key: key, value: value, ranges: causal)
        let cache = KeyValueCache(layers: 2, sequences: 2, capacity: 9, heads: 2, headWidth: 8)
        let parts = steps.map { attended(cache, cache.length..<cache.length + $0) }
        #expect(cache.length == 6)
        #expect(try distance(Tensor.concatenated(parts, axis: 1), whole) < 1e-6)
    }

    @Test("Sequences of different lengths lie side by side, and each goes on where it ended")
    func differentLengths() throws {
        let whole = attention(query: query, key: key, value: value, ranges: causal)
        let cache = KeyValueCache(layers: 2, sequences: 2, capacity: 6, heads: 2, headWidth: 8)
        _ = attended(cache[0], 0..<4, sequences: 0..<1)
        _ = attended(cache[1], 0..<2, sequences: 1..<2)
        #expect(cache.length == 4 && cache[1].length == 2)
        let places = cache.advance(by: 1)
        #expect(try places.positions.integers() == [4, 2])
        let next = [query, key, value].map { x in
            Tensor.concatenated([
                x.narrowed(axis: 0, to: 0..<1).narrowed(axis: 1, to: 4..<5), x.narrowed(axis: 0, to: 1..<2).narrowed(axis: 1, to: 2..<3),
            ])
        }
        let (k, v) = cache.append(layer: 1, key: next[1], value: next[2])
        let found = attention(query: next[0], key: k, value: v, ranges: places.ranges)
        #expect(try distance(found.narrowed(axis: 0, to: 0..<1), whole.narrowed(axis: 0, to: 0..<1).narrowed(axis: 1, to: 4..<5)) < 1e-6)
        #expect(try distance(found.narrowed(axis: 0, to: 1..<2), whole.narrowed(axis: 0, to: 1..<2).narrowed(axis: 1, to: 2..<3)) < 1e-6)
    }

    @Test("A sequence that has ended gets no longer, sees nothing and leaves the other alone")
    func ended() throws {
        let whole = attention(query: query, key: key, value: value, ranges: causal)
        let cache = KeyValueCache(layers: 2, sequences: 2, capacity: 6, heads: 2, headWidth: 8)
        _ = attended(cache, 0..<3)
        cache.end(0)
        let found = attended(cache, 3..<6)
        #expect(cache.length == 6 && cache[0].length == 0)
        #expect(try found.narrowed(axis: 0, to: 0..<1).floats().allSatisfy { $0 == 0 })
        #expect(try distance(found.narrowed(axis: 0, to: 1..<2), whole.narrowed(axis: 0, to: 1..<2).narrowed(axis: 1, to: 3..<6)) < 1e-6)
    }

    @Test("Memory grows with what is kept, and what was kept stays")
    func growth() throws {
        let device = Device.deferred()
        let cache = KeyValueCache(layers: 1, capacity: 1 << 40, heads: 1, headWidth: 1, device: device)
        var kept = Tensor.zeros([1])
        for token in 0..<600 {
            _ = cache.advance(by: 1)
            kept =
                cache.append(
                    layer: 0, key: Tensor.full(Float(token), shape: [1, 1, 1, 1], device: device), value: .zeros([1, 1, 1, 1], device: device)
                ).key
        }
        #expect(try kept.narrowed(axis: 1, to: 0..<600).floats() == (0..<600).map { Float($0) })
        #expect(device.allocatedByteCount <= 2 * 1024 * 4 + 200)
    }

    @Test("A sequence that comes later and needs more memory leaves the others what they have", arguments: [1, 300])
    func laterGrowth(first: Int) throws {
        let device = Device.deferred()
        let cache = KeyValueCache(layers: 1, sequences: 2, capacity: 1000, heads: 1, headWidth: 1, device: device)
        for (sequence, count) in [(0, first), (1, 400)] {
            let (own, numbers) = (cache[sequence], (0..<count).map { Float(sequence * 1000 + $0) })
            _ = own.advance(by: count)
            let keys = Tensor(numbers, shape: [1, count, 1, 1], device: device)
            _ = own.append(layer: 0, key: keys, value: keys)
        }
        _ = cache.advance(by: 1)
        let (keys, values) = cache.append(layer: 0, key: .zeros([2, 1, 1, 1], device: device), value: .zeros([2, 1, 1, 1], device: device))
        for kept in [keys, values] {
            #expect(try kept.narrowed(axis: 0, to: 0..<1).narrowed(axis: 1, to: 0..<first).floats() == (0..<first).map { Float($0) })
            #expect(try kept.narrowed(axis: 0, to: 1..<2).narrowed(axis: 1, to: 0..<400).floats() == (0..<400).map { Float(1000 + $0) })
        }
    }

    @Test("Sequences that are begun together see and keep what each sees and keeps alone", arguments: [DType.float32, .bfloat16])
    func begunTogether(dtype: DType) throws {
        let lengths = [4, 2]
        func packed(_ x: Tensor) -> Tensor {
            Tensor.concatenated(lengths.enumerated().map { x.narrowed(axis: 0, to: $0..<$0 + 1).narrowed(axis: 1, to: 0..<$1) }, axis: 1)
        }
        let caches = (0..<2).map { _ in KeyValueCache(layers: 2, sequences: 3, capacity: 6, heads: 2, headWidth: 8, dtype: dtype) }
        let begun = caches[0][1..<3]
        let places = begun.begin(lengths)
        _ = begun.append(layer: 0, key: Tensor.ones([1, 6, 2, 8]), value: Tensor.ones([1, 6, 2, 8]))
        let (k, v) = begun.append(layer: 1, key: packed(key), value: packed(value))
        let found = attention(query: packed(query), key: k, value: v, ranges: places.ranges)
        let alone = lengths.indices.map { attended(caches[1][$0 + 1], 0..<lengths[$0], sequences: $0..<$0 + 1) }
        #expect(try distance(found, Tensor.concatenated(alone, axis: 1)) < 1e-6)
        #expect(try places.lastPositions.integers() == [3, 1] && begun.length == 4 && caches[0][2].length == 2)
        let kept = try caches.map { cache in
            #expect(try cache.advance(by: 1).positions.integers() == [0, 4, 2])
            let (keys, values) = cache.append(layer: 1, key: .zeros([3, 1, 2, 8]), value: .zeros([3, 1, 2, 8]))
            return try lengths.enumerated().flatMap { sequence, length in
                try [keys, values].flatMap {
                    try $0.narrowed(axis: 0, to: sequence + 1..<sequence + 2).narrowed(axis: 1, to: 0..<length + 1).floats()
                }
            }
        }
        #expect(kept[0] == kept[1])
    }

    @Test("Sequences that are begun later and need more memory leave the others what they have")
    func begunLater() throws {
        let device = Device.deferred()
        let cache = KeyValueCache(layers: 1, sequences: 3, capacity: 1000, heads: 1, headWidth: 1, device: device)
        func numbers(_ range: Range<Int>) -> Tensor { Tensor(range.map { Float($0) }, shape: [1, range.count, 1, 1], device: device) }
        let (first, later) = (cache[0], cache[1..<3])
        _ = first.advance(by: 300)
        _ = first.append(layer: 0, key: numbers(0..<300), value: numbers(0..<300))
        _ = later.begin([10, 400])
        _ = later.append(layer: 0, key: numbers(1000..<1410), value: numbers(1000..<1410))
        #expect(try cache.advance(by: 1).positions.integers() == [300, 10, 400])
        let (keys, values) = cache.append(layer: 0, key: .zeros([3, 1, 1, 1], device: device), value: .zeros([3, 1, 1, 1], device: device))
        for kept in [keys, values] {
            for (sequence, range) in [0..<300, 1000..<1010, 1010..<1410].enumerated() {
                let own = kept.narrowed(axis: 0, to: sequence..<sequence + 1).narrowed(axis: 1, to: 0..<range.count)
                #expect(try own.floats() == range.map { Float($0) })
            }
        }
    }

    @Test("What a token sees has the same bits, whatever room the cache has", arguments: [256, 300, 512, 700, 1100])
    func room(tokens: Int) throws {
        var random = RandomGenerator(seed: 2)
        let (query, key) = (Tensor.normal([1, 1, 4, 8], using: &random), Tensor.normal([1, tokens, 2, 8], using: &random))
        func last(capacity: Int) throws -> [Float] {
            let cache = KeyValueCache(layers: 1, capacity: capacity, heads: 2, headWidth: 8)
            _ = cache.advance(by: tokens - 1)
            _ = cache.append(layer: 0, key: key.narrowed(axis: 1, to: 0..<tokens - 1), value: key.narrowed(axis: 1, to: 0..<tokens - 1))
            let places = cache.advance(by: 1)
            let (k, v) = cache.append(
                layer: 0, key: key.narrowed(axis: 1, to: tokens - 1..<tokens), value: key.narrowed(axis: 1, to: tokens - 1..<tokens))
            return try attention(query: query, key: k, value: v, ranges: places.ranges).floats()
        }
        #expect(try last(capacity: tokens) == last(capacity: 5000))
    }

    @Test("A cache of 16 bits takes half the memory of one of 32", arguments: [DType.bfloat16, .float16])
    func halfTheMemory(dtype: DType) throws {
        func byteCount(_ dtype: DType) throws -> Int {
            let device = Device.deferred()
            let cache = KeyValueCache(layers: 3, sequences: 2, capacity: 300, heads: 2, headWidth: 8, dtype: dtype, device: device)
            let before = device.allocatedByteCount
            _ = cache.advance(by: 300)
            try device.synchronize()
            return device.allocatedByteCount - before
        }
        let places = 300 * 2 * 3 * 4
        #expect(try byteCount(.float32) - places == 3 * 2 * 2 * 300 * 16 * 4)
        #expect(try byteCount(dtype) - places == 3 * 2 * 2 * 300 * 16 * 2)
    }

    @Test("The cache goes on from an earlier token, also after its sequences have ended")
    func resumption() throws {
        let whole = attention(query: query, key: key, value: value, ranges: causal)
        let cache = KeyValueCache(layers: 2, sequences: 2, capacity: 6, heads: 2, headWidth: 8)
        _ = attended(cache, 0..<2)
        _ = attended(cache, 4..<6)
        cache.end(1)
        cache.resume(at: 2)
        #expect(cache.length == 2)
        #expect(try distance(attended(cache, 2..<6), whole.narrowed(axis: 1, to: 2..<6)) < 1e-6)
    }

    @Test("Entries may be narrower than what is computed", arguments: [DType.bfloat16, .float16])
    func narrowEntries(dtype: DType) throws {
        let cache = KeyValueCache(layers: 2, sequences: 2, capacity: 6, heads: 2, headWidth: 8, dtype: dtype)
        let whole = attention(query: query, key: key, value: value, ranges: causal)
        let found = try distance(attended(cache, 0..<6), whole)
        #expect(found < 0.02 && found > 1e-5)
    }

    @Test("More tokens than fit, sequences that have begun, and keys without a place, stop the process")
    func mistakes() async {
        await #expect(processExitsWith: .failure) {
            let cache = KeyValueCache(layers: 1, sequences: 2, capacity: 2, heads: 1, headWidth: 2)
            _ = cache[1].advance(by: 1)
            _ = cache.begin([1, 1])
        }
        await #expect(processExitsWith: .failure) { _ = KeyValueCache(layers: 1, capacity: 2, heads: 1, headWidth: 2).advance(by: 3) }
        await #expect(processExitsWith: .failure) { KeyValueCache(layers: 1, capacity: 2, heads: 1, headWidth: 2).resume(at: 1) }
        await #expect(processExitsWith: .failure) {
            _ = KeyValueCache(layers: 1, capacity: 2, heads: 1, headWidth: 2).append(
                layer: 0, key: .zeros([1, 1, 1, 2]), value: .zeros([1, 1, 1, 2]))
        }
    }
}
