import BitsKernels
import BitsSystem
import Testing
import _BitsTestSupport

@Suite("Drawing the next token")
struct SampleTokensTests {
    /// The tokens that are drawn from the same logits at one position after the other.
    private func draws(
        _ logits: [Float], _ rule: SamplingRule, count: Int = 4000, seed: Int = 1, from position: Int = 0, seen: [Int]? = nil
    ) throws -> [Int] {
        let device = Device.tested
        let row = device.slice(logits)
        let positions = device.integers((0..<count).map { position + $0 }, as: .int32)
        let (seeds, tokens) = (device.integers([seed], as: .int64), device.allocate(.int32, count: count))
        for draw in 0..<count {
            let marks = seen.map { tokens in device.integers(logits.indices.map { tokens.contains($0) ? 1 : 0 }, as: .uint8) }
            device.run(
                SampleTokens(row, positions: positions[draw..<draw + 1], rule: rule, seeds: seeds, seen: marks, into: tokens[draw..<draw + 1]))
        }
        return try tokens.downloadIntegers()
    }

    /// How often each token is drawn in 4,000 draws.
    private func counts(_ logits: [Float], _ rule: SamplingRule) throws -> [Int] {
        var counts = [Int](repeating: 0, count: logits.count)
        for token in try draws(logits, rule) { counts[token] += 1 }
        return counts
    }

    /// Which tokens are drawn at all.
    private func drawn(_ logits: [Float], _ rule: SamplingRule) throws -> Set<Int> { Set(try draws(logits, rule)) }

    private func greedy(_ logits: [Float], seen: [Int]? = nil, penalty: Float = 1) throws -> Int {
        try draws(logits, SamplingRule(temperature: 0, repetitionPenalty: penalty), count: 1, seen: seen)[0]
    }

    @Test("Greedy takes the largest, the first of equals, and never NaN")
    func greedyChoice() throws {
        #expect(try greedy([1, 3, 2]) == 1)
        #expect(try greedy([1, 3, 3]) == 1)
        #expect(try greedy([.nan, 1, 3]) == 2)
        #expect(try greedy([1, .nan, 0]) == 0)
        #expect(try greedy([-.infinity, -5, .nan]) == 1)
        #expect(try greedy([1, .infinity, 3]) == 1)
    }

    @Test("Without a logit above -inf there is no token, and the draw says so", arguments: [Float(0), 1])
    func notANumber(temperature: Float) throws {
        for logits: [Float] in [[.nan, .nan], [-.infinity, -.infinity], [.nan, -.infinity]] {
            #expect(try draws(logits, SamplingRule(temperature: temperature), count: 2) == [-2, -2])
        }
    }

    @Test("A sequence without a position draws nothing and marks nothing, and others draw as if it were not there")
    func inert() throws {
        let device = Device.tested
        let (logits, rule) = (HostileFloats.ordinary(count: 40, seed: 1), SamplingRule(temperature: 1, repetitionPenalty: 2))
        let tokens = device.allocate(.int32, count: 2)
        let seen = device.integers([Int](repeating: 0, count: 80), as: .uint8)
        device.run(
            SampleTokens(
                device.slice(logits + logits), positions: device.integers([-1, 3], as: .int32), rule: rule,
                seeds: device.integers([1, 1], as: .int64), seen: seen, into: tokens))
        let found = try tokens.downloadIntegers()
        #expect(found[0] == -1)
        #expect(try found[1] == draws(logits, rule, count: 1, from: 3, seen: [])[0])
        #expect(try seen.downloadIntegers() == (0..<80).map { $0 == 40 + found[1] ? 1 : 0 })
    }

    @Test("Tokens are drawn as often as they are probable")
    func frequencies() throws {
        // Probabilities 0.1, 0.2, 0.7; a standard deviation is at most 32 draws.
        let found = try counts([0.1, 0.2, 0.7].map { Float(log($0)) }, SamplingRule(temperature: 1))
        #expect(zip(found, [400, 800, 2800]).allSatisfy { abs($0 - $1) < 150 })
    }

    @Test("Temperature sharpens below 1 and flattens above")
    func temperature() throws {
        // Squared and normalized: 1/54, 4/54, 49/54. Square roots: 0.188, 0.266, 0.497 of their sum.
        let logits = [0.1, 0.2, 0.7].map { Float(log($0)) }
        #expect(try zip(counts(logits, SamplingRule(temperature: 0.5)), [74, 296, 3630]).allSatisfy { abs($0 - $1) < 120 })
        let roots = [0.1, 0.2, 0.7].map { $0.squareRoot() }
        let sum = roots.reduce(0, +)
        #expect(try zip(counts(logits, SamplingRule(temperature: 2)), roots.map { Int(4000 * $0 / sum) }).allSatisfy { abs($0 - $1) < 150 })
    }

    @Test("Top-k keeps the k most likely, the lower ids of equals")
    func topK() throws {
        #expect(try drawn([0, 2, 1, 3], SamplingRule(temperature: 1, topK: 1)) == [3])
        #expect(try drawn([0, 2, 1, 3], SamplingRule(temperature: 1, topK: 2)) == [1, 3])
        #expect(try drawn([1, 1, 1, 1], SamplingRule(temperature: 1, topK: 3)) == [0, 1, 2])
        #expect(try drawn([1, 1], SamplingRule(temperature: 1, topK: 10)) == [0, 1])
    }

    @Test("Top-p keeps the fewest most likely tokens that reach the sum")
    func topP() throws {
        let logits = [0.5, 0.3, 0.15, 0.05].map { Float(log($0)) }
        for (share, kept) in [(0.45, 1), (0.55, 2), (0.9, 3), (1, 4), (1e-6, 1)] as [(Float, Int)] {
            #expect(try drawn(logits, SamplingRule(temperature: 1, topP: share)) == Set(0..<kept), "\(share)")
        }
        // Of what top-k left: 0.5 / 0.8 is above 0.6.
        #expect(try drawn(logits, SamplingRule(temperature: 1, topK: 2, topP: 0.6)) == [0])
    }

    @Test("Min-p keeps what is as likely as a share of the likeliest, whatever top-p left")
    func minP() throws {
        let logits = [0.5, 0.3, 0.15, 0.05].map { Float(log($0)) }
        for (share, kept) in [(0, 4), (0.05, 4), (0.2, 3), (0.5, 2), (0.7, 1), (1, 1)] as [(Float, Int)] {
            #expect(try drawn(logits, SamplingRule(temperature: 1, minP: share)) == Set(0..<kept), "\(share)")
        }
        #expect(try drawn(logits, SamplingRule(temperature: 1, topP: 0.55, minP: 0.2)) == [0, 1])
        // After the temperature: the square of 0.6 is below 0.5.
        #expect(try drawn(logits, SamplingRule(temperature: 0.5, minP: 0.5)) == [0])
    }

    @Test("In a large vocabulary with many equals, what is drawn is what sorting all of it would leave")
    func largeVocabulary() throws {
        // Eighty values with 37 or 38 tokens each; the zeros are of either sign.
        let logits = (0..<3000).map { token in token % 160 == 0 ? -0.0 : Float(token % 80) / 10 }
        let order = logits.indices.sorted { logits[$0] > logits[$1] || (logits[$0] == logits[$1] && $0 < $1) }
        for k in [1, 7, 11, 12, 36, 38, 100] {
            #expect(try drawn(logits, SamplingRule(temperature: 50, topK: k)) == Set(order.prefix(k)), "top-k \(k)")
        }
        for k in [2999, 3000, Int.max] {
            #expect(try drawn(logits, SamplingRule(temperature: 50, topK: k)).isSubset(of: order.prefix(k)), "top-k \(k)")
        }
        let weights = order.map { exp(Double(logits[$0])) }
        let total = weights.reduce(0, +)
        for share in [0.01, 0.05, 0.5, 0.99] {
            var (sum, count) = (0.0, 0)
            while sum < total * share {
                sum += weights[count]
                count += 1
            }
            let found = try drawn(logits, SamplingRule(temperature: 1, topP: Float(share)))
            #expect(found.isSubset(of: order.prefix(count)), "top-p \(share)")
            #expect(share > 0.1 || found == Set(order.prefix(count)), "top-p \(share)")
        }
    }

    @Test("The repetition penalty makes seen tokens less likely, whatever the sign of their logits")
    func penalty() throws {
        #expect(try greedy([2, 1.5], seen: [0], penalty: 2) == 1)
        #expect(try greedy([-1, -1.5], seen: [0], penalty: 2) == 1)
        #expect(try greedy([2, 1.5], seen: [0, 1], penalty: 2) == 0)
        #expect(try greedy([2, 1.5], seen: [0], penalty: 1) == 0)
        #expect(try greedy([1, 2], seen: [0], penalty: 0.4) == 0)
    }

    @Test("A seed's draws are the same every time; another seed's and another position's are not")
    func seeds() throws {
        let (logits, rule) = ([Float](repeating: 1, count: 4), SamplingRule(temperature: 1))
        let first = try draws(logits, rule, count: 50, seed: 3)
        #expect(try draws(logits, rule, count: 50, seed: 3) == first)
        #expect(try draws(logits, rule, count: 50, seed: 4) != first)
        #expect(try draws(logits, rule, count: 50, seed: 3 | 1 << 40) != first)
        #expect(try draws(logits, rule, count: 50, seed: 3, from: 50) != first)
        #expect(try draws(logits, rule, count: 30, seed: 3, from: 20) == Array(first[20...]))
    }

    @Test("Logits that are NaN are never drawn, infinite ones are always or never")
    func hostileLogits() throws {
        #expect(try drawn([.nan, 1, .nan, 1], SamplingRule(temperature: 1)) == [1, 3])
        #expect(try drawn([0, -.infinity, 0], SamplingRule(temperature: 1)) == [0, 2])
        #expect(try drawn([0, .infinity, 3], SamplingRule(temperature: 1)) == [1])
        #expect(try drawn([0, .infinity, 3], SamplingRule(temperature: 1, topP: 0.9)) == [1])
        #expect(try drawn([1000, -1000, 0], SamplingRule(temperature: 1e-30)) == [0])
        #expect(try drawn([.greatestFiniteMagnitude, -.greatestFiniteMagnitude], SamplingRule(temperature: 0.5)) == [0])
    }

    @Test(
        "Every rule on every kind of logits draws the reference's tokens", arguments: [DType.float32, .float16, .bfloat16], [0, 1, 20, 300])
    func reference(dtype: DType, topK: Int) throws {
        for vocabulary in [1, 15, 257, 5000] {
            let sequences = 5
            let logits = Device.tested.input(HostileFloats.ordinary(count: sequences * vocabulary, seed: 7).map { 4 * $0 }, as: dtype)
            for (topP, minP, penalty) in [(1, 0, 1), (0.8, 0, 1), (1, 0.3, 1), (0.95, 0.05, 1.2)] as [(Float, Float, Float)] {
                let rule = SamplingRule(temperature: 1.2, topK: topK, topP: topP, minP: minP, repetitionPenalty: penalty)
                let tokens = Device.tested.output(.int32, count: sequences)
                let seen = Device.tested.integers((0..<sequences * vocabulary).map { $0 % 2 }, as: .uint8)
                let kernel = SampleTokens(
                    logits, positions: Device.tested.integers([3, 1, 4, 1, 5], as: .int32), rule: rule,
                    seeds: Device.tested.integers([9, 2, 6, 5, 3], as: .int64), seen: seen, into: tokens)
                #expect(try deviationsFromReference(kernel, outputs: [KernelOutput("tokens", tokens), KernelOutput("seen", seen)]) == [])
            }
        }
    }

    @Test("Rules that mean nothing, and a draw without a seed, stop the process")
    func mistakes() async {
        await #expect(processExitsWith: .failure) { _ = SamplingRule(temperature: -1) }
        await #expect(processExitsWith: .failure) { _ = SamplingRule(temperature: 1, topP: 0) }
        await #expect(processExitsWith: .failure) {
            let device = Device.tested
            _ = SampleTokens(
                device.slice([1, 2]), positions: device.integers([0], as: .int32), rule: SamplingRule(temperature: 1), seeds: nil, seen: nil,
                into: device.allocate(.int32, count: 1))
        }
    }
}
