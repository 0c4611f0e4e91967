import BitsCore
import BitsNN
import BitsSystem
import Testing
import _BitsTestSupport

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
        let rotary = RotaryTable(RotaryEmbedding(headWidth: 8, theta: 100))
        func rotated(_ x: Tensor, at position: Int32) -> Tensor {
            x.rotated(rotary.angles(at: TokenPlaces(positions: [position], ranges: [0..<1], batch: 1)))
        }
        func product(_ a: Int32, _ b: Int32) throws -> Float { try (rotated(q, at: a) * rotated(k, at: b)).sum().item() }
        #expect(try abs(product(3, 1) - product(12, 10)) < 1e-5)
        #expect(try abs(product(3, 1) - product(3, 2)) > 1e-3)
        #expect(try abs(rotated(q, at: 7).squared().sum().item() - q.squared().sum().item()) < 1e-5)
        #expect(try rotated(q, at: 0).floats() == q.floats())
        // Longer sequences make the table longer, and change nothing.
        let near = try rotated(q, at: 200).floats()
        #expect(try rotated(q, at: 3000).floats() != near)
        #expect(try rotated(q, at: 200).floats() == near)
    }

    @Test("YaRN keeps what turns often within the old context, divides what turns rarely, and passes in a line between them")
    func yarn() {
        let plain = RotaryEmbedding(headWidth: 64, theta: 10_000).frequencies
        let scaling = RotaryEmbedding.Scaling.yarn(factor: 4, originalContext: 2048)
        let scaled = RotaryEmbedding(headWidth: 64, theta: 10_000, scaling: scaling).frequencies
        let shares = zip(plain, scaled).map { (1 - $1 / $0) / (1 - 1 / 4) }  // 0 kept, 1 divided
        for (index, frequency) in plain.enumerated() {
            let turns = Double(frequency) * 2048 / (2 * Double.pi)
            if turns > 40 { #expect(shares[index] == 0, "\(index)") }
            if turns < 0.8 { #expect(abs(shares[index] - 1) < 1e-6, "\(index)") }
        }
        let between = shares.indices.filter { shares[$0] > 1e-5 && shares[$0] < 1 - 1e-5 }
        #expect(between.count > 5)
        for (a, b) in zip(between, between.dropFirst()) {
            #expect(abs(shares[b] - shares[a] - (shares[between[1]] - shares[between[0]])) < 1e-5, "\(a)")
        }
    }

    @Test("A dynamic base is the old one within the old context, and stretches the lowest frequency by as much as the length")
    func dynamic() {
        let plain = RotaryEmbedding(headWidth: 16, theta: 10_000)
        let rotary = RotaryEmbedding(headWidth: 16, theta: 10_000, scaling: .dynamic(factor: 1, originalContext: 100))
        #expect(rotary.frequencies(length: 100) == plain.frequencies)
        let (before, after) = (plain.frequencies, rotary.frequencies(length: 300))
        #expect(after[0] == 1 && abs(before[7] / after[7] / 3 - 1) < 1e-5)
    }

    @Test("LongRoPE has its own factors for short sequences and for long ones, and all tokens of a sequence have the same")
    func longRope() throws {
        let scaling = RotaryEmbedding.Scaling.longRope(short: [1, 2], long: [4, 8], originalContext: 5)
        let rotary = RotaryEmbedding(headWidth: 4, theta: 100, scaling: scaling, amplitude: 2)
        #expect(rotary.frequencies(length: 5) == [1, 0.1 / 2] && rotary.frequencies(length: 6) == [1 / 4, 0.1 / 8])
        let table = RotaryTable(rotary)
        let cosine = { (capacity: Int) in
            let cache = KeyValueCache(layers: 1, capacity: capacity, heads: 1, headWidth: 4)
            return try table.angles(at: cache.advance(by: 3)).cosine.floats()[2]
        }
        #expect(try abs(cosine(5) - 2 * 0.5403023) < 1e-6 && abs(cosine(6) - 2 * 0.9689124) < 1e-6)
    }

    @Test("A token of a growing sequence has the angle of a sequence that ends with it, those of a whole one have one base")
    func growing() throws {
        let rotary = RotaryEmbedding(headWidth: 8, theta: 100, scaling: .dynamic(factor: 2, originalContext: 4))
        let table = RotaryTable(rotary)
        let cache = KeyValueCache(layers: 1, capacity: 16, heads: 1, headWidth: 8)
        func angles(_ tokens: Int) throws -> [[Float]] {
            let angles = table.angles(at: cache.advance(by: tokens))
            let all = try angles.cosine.floats()
            return try angles.positions.integers().map { Array(all[$0 * 4..<$0 * 4 + 4]) }
        }
        func expected(_ position: Int, length: Int) -> [Float] { rotary.frequencies(length: length).map { cosf(Float(position) * $0) } }
        #expect(try angles(3) == (0..<3).map { expected($0, length: 4) })
        for position in 3..<8 { #expect(try angles(1) == [expected(position, length: position + 1)]) }
        #expect(try angles(4) == (8..<12).map { expected($0, length: 12) })
    }

    @Test("Where there are angles for the first features alone, the others stay as they are")
    func partial() throws {
        var random = RandomGenerator(seed: 1)
        let x = Tensor.normal([1, 2, 3, 8], using: &random)
        let table = RotaryTable(RotaryEmbedding(headWidth: 6, theta: 100))
        let rotated = x.rotated(table.angles(at: TokenPlaces(positions: [5, 9], ranges: [0..<1, 0..<2], batch: 1)))
        func part(_ x: Tensor, _ range: Range<Int>) throws -> [Float] { try x.narrowed(axis: 3, to: range).floats() }
        #expect(try part(rotated, 6..<8) == part(x, 6..<8))
        let alone = x.narrowed(axis: 3, to: 0..<6).rotated(table.angles(at: TokenPlaces(positions: [5, 9], ranges: [0..<1, 0..<2], batch: 1)))
        #expect(try part(rotated, 0..<6) == alone.floats() && part(rotated, 0..<6) != part(x, 0..<6))
    }
}
