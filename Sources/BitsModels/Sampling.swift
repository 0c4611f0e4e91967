import BitsSystem
import BitsCore

/// How the next token is chosen from the logits.
///
/// The order is that of transformers: repetition penalty, temperature, top-k, top-p.
public struct SamplingOptions: Sendable, Equatable {
    /// Divides the logits; 0 takes the most likely token (greedy).
    public var temperature: Float = 1
    /// Keeps the k most likely tokens; 0 keeps all.
    public var topK = 0
    /// Keeps the fewest most likely tokens whose probabilities reach this sum; 1 keeps all.
    public var topP: Float = 1
    /// Logits of tokens seen before are divided by it when positive, multiplied when negative (Keskar et al. 2019); 1 does nothing.
    public var repetitionPenalty: Float = 1

    public init() {}

    public static var greedy: SamplingOptions {
        var options = SamplingOptions()
        options.temperature = 0
        return options
    }

    /// What is wrong with the values, in words; nil if nothing is.
    public var problem: String? {
        if !(temperature >= 0 && temperature.isFinite) { return "temperature is \(temperature); use 0 (greedy) or a positive number" }
        if topK < 0 { return "top-k is \(topK); use 0 (all tokens) or a positive number" }
        if !(topP > 0 && topP <= 1) { return "top-p is \(topP); use a number above 0 and at most 1" }
        if !(repetitionPenalty > 0 && repetitionPenalty.isFinite) {
            return "repetition penalty is \(repetitionPenalty); use a positive number, 1 for none"
        }
        return nil
    }
}

/// Draws tokens from logits.
public struct TokenSampler: Sendable {
    public let options: SamplingOptions
    private var generator: RandomGenerator

    public init(_ options: SamplingOptions, seed: UInt64) {
        self.options = options
        generator = RandomGenerator(seed: seed)
    }

    /// The next token after `history`, given its logits; the lowest id of equals when greedy. NaN logits are never chosen.
    public mutating func next(logits: [Float], history: [Int32]) -> Int32 {
        var logits = logits
        if options.repetitionPenalty != 1 {
            for token in Set(history).map({ Int($0) }) where logits.indices.contains(token) {
                logits[token] = logits[token] > 0 ? logits[token] / options.repetitionPenalty : logits[token] * options.repetitionPenalty
            }
        }
        let likeliest = TokenSampler.largest(logits)
        let peak = logits[Int(likeliest)]
        guard options.temperature > 0, peak.isFinite else { return likeliest }
        var candidates =
            options.topK > 0 ? TokenSampler.mostLikely(options.topK, of: logits) : logits.indices.filter { !logits[$0].isNaN }
        var weights = candidates.map { Double(exp((logits[$0] - peak) / options.temperature)) }
        if options.topP < 1 {
            let kept = TokenSampler.nucleus(of: weights, share: Double(options.topP))
            (candidates, weights) = (kept.map { candidates[$0] }, kept.map { weights[$0] })
        }
        var remaining = Double(generator.next() >> 11) * 0x1p-53 * weights.reduce(0, +)
        for (candidate, weight) in zip(candidates, weights) {
            remaining -= weight
            if remaining < 0 { return Int32(candidate) }
        }
        return Int32(candidates[weights.count - 1])
    }

    /// The `count` most likely tokens, the likeliest first; of equals those of lower ids, where transformers keeps all that equal the last.
    private static func mostLikely(_ count: Int, of logits: [Float]) -> [Int] {
        let count = min(count, logits.count)
        // Numbers in the order of the tokens: the logit's bits made monotonic, below them the id counted down. At most twice `count` are kept.
        var best: [UInt64] = []
        var least: UInt64 = 0
        for token in logits.indices where !logits[token].isNaN {
            let bits = (logits[token] + 0).bitPattern  // -0 equals 0
            let key = UInt64(bits >> 31 == 0 ? bits | 1 << 31 : ~bits) << 32 | UInt64(~UInt32(token))
            guard key > least else { continue }
            best.append(key)
            if best.count == 2 * count {
                best.sort(by: >)
                best.removeLast(count)
                least = best[count - 1]
            }
        }
        return best.sorted(by: >).prefix(count).map { Int(~UInt32(truncatingIfNeeded: $0)) }
    }

    /// The places of the fewest largest weights that reach this share of the sum, the largest first.
    private static func nucleus(of weights: [Double], share: Double) -> ArraySlice<Int> {
        let total = weights.reduce(0, +)
        // Weights below this add up to less than what may be left out, so that only the others need be sorted; a little lower, for rounding.
        let floor = 0.999 * total * (1 - share) / Double(weights.count)
        let order = weights.indices.filter { weights[$0] >= floor }.sorted { weights[$0] > weights[$1] || (weights[$0] == weights[$1] && $0 < $1) }
        var sum = 0.0
        let last = order.firstIndex { place in
            sum += weights[place]
            return sum >= total * share
        }
        return order[...(last ?? order.count - 1)]
    }

    private static func largest(_ logits: [Float]) -> Int32 {
        var best = 0
        for token in logits.indices where logits[token] > logits[best] || logits[best].isNaN { best = token }
        return Int32(best)
    }
}
