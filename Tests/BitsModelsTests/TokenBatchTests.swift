import BitsCore
import BitsModels
import Testing

@Suite("Batches of tokens")
struct TokenBatchTests {
    private func ranges(_ batch: TokenBatch, _ visibility: TokenBatch.Visibility) throws -> [[Int]] {
        let ends = try batch.ranges(visibility).tensor.integers()
        return stride(from: 0, to: ends.count, by: 2).map { Array(ends[$0..<$0 + 2]) }
    }

    @Test("Tokens see their sequence up to themselves, or all of it")
    func oneSequence() throws {
        let batch = TokenBatch([7, 8, 9])
        #expect(try ranges(batch, .causal) == [[0, 1], [0, 2], [0, 3]])
        #expect(try ranges(batch, .full) == [[0, 3], [0, 3], [0, 3]])
        #expect(try batch.places.positions.integers() == [0, 1, 2] && batch.lengths == [3])
    }

    @Test("Tokens that continue a cache see what it holds")
    func continued() throws {
        let cache = KeyValueCache(layers: 1, capacity: 9, heads: 1, headWidth: 2)
        _ = TokenBatch([1, 2, 3, 4, 5], continuing: cache)
        let batch = TokenBatch([7, 8], continuing: cache)
        #expect(try ranges(batch, .causal) == [[0, 6], [0, 7]])
        #expect(try batch.places.positions.integers() == [5, 6] && batch.lengths == [2])
    }

    @Test("Packed sequences do not see one another, empty ones among them")
    func packed() throws {
        let batch = TokenBatch(packing: [[], [1, 2], [], [3], []])
        #expect(try ranges(batch, .causal) == [[0, 1], [0, 2], [2, 3]])
        #expect(try ranges(batch, .full) == [[0, 2], [0, 2], [2, 3]])
        #expect(try batch.places.positions.integers() == [0, 1, 0] && batch.lengths == [0, 2, 0, 1, 0])
    }

    @Test("Nothing sees padding; padding sees the sequence of its row")
    func padded() throws {
        let mask = [[true, true, false], [false, true, true], [false, false, false]]
        let batch = TokenBatch([[1, 2, 0], [0, 3, 4], [0, 0, 0]], mask: mask)
        #expect(try ranges(batch, .causal) == [[0, 1], [0, 2], [0, 2], [0, 0], [1, 2], [1, 3], [0, 0], [0, 0], [0, 0]])
        #expect(try ranges(batch, .full) == [[0, 2], [0, 2], [0, 2], [1, 3], [1, 3], [1, 3], [0, 0], [0, 0], [0, 0]])
        #expect(batch.lengths == [2, 2, 0] && batch.sequences[1] == 4..<6)
        #expect(try batch.places.positions.integers()[3...5] == [0, 0, 1])
    }
}
