import Glibc
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
        guard options.temperature > 0 else { return TokenSampler.largest(logits) }
        var candidates = logits.indices.filter { !logits[$0].isNaN }
        if options.topK > 0 || options.topP < 1 {
            candidates.sort { logits[$0] > logits[$1] || (logits[$0] == logits[$1] && $0 < $1) }
            if options.topK > 0 { candidates.removeLast(max(0, candidates.count - options.topK)) }
        }
        guard let peak = candidates.map({ logits[$0] }).max() else { return 0 }
        guard peak.isFinite else { return TokenSampler.largest(logits) }
        var weights = candidates.map { Double(exp((logits[$0] - peak) / options.temperature)) }
        if options.topP < 1 {
            let target = Double(options.topP) * weights.reduce(0, +)
            var sum = 0.0
            let kept = weights.firstIndex { weight in
                sum += weight
                return sum >= target
            }
            weights.removeLast(weights.count - 1 - (kept ?? weights.count - 1))
        }
        var remaining = Double(generator.next() >> 11) * 0x1p-53 * weights.reduce(0, +)
        for (candidate, weight) in zip(candidates, weights) {
            remaining -= weight
            if remaining < 0 { return Int32(candidate) }
        }
        return Int32(candidates[weights.count - 1])
    }

    private static func largest(_ logits: [Float]) -> Int32 {
        var best = 0
        for token in logits.indices where logits[token] > logits[best] || logits[best].isNaN { best = token }
        return Int32(best)
    }
}
