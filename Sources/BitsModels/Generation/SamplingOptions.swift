/// How the next token is chosen from the logits.
///
/// The order is that of transformers: repetition penalty, temperature, top-k, top-p, min-p. Of tokens that are equally likely the lower ids go first,
/// where transformers' top-k keeps all that equal the last.
public struct SamplingOptions: Sendable, Equatable {
    /// Divides the logits; 0 takes the most likely token (greedy).
    public var temperature: Float
    /// Keeps the k most likely tokens; 0 keeps all.
    public var topK: Int
    /// Keeps the fewest most likely tokens whose probabilities reach this sum; 1 keeps all.
    public var topP: Float
    /// Keeps the tokens that are at least this share as likely as the likeliest; 0 keeps all.
    public var minP: Float
    /// Logits of tokens seen before are divided by it when positive, multiplied when negative (Keskar et al. 2019); 1 does nothing.
    public var repetitionPenalty: Float

    public init(temperature: Float = 1, topK: Int = 0, topP: Float = 1, minP: Float = 0, repetitionPenalty: Float = 1) {
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.minP = minP
        self.repetitionPenalty = repetitionPenalty
    }

    /// Always the most likely token.
    public static let greedy = SamplingOptions(temperature: 0)

    /// What is wrong with the values, in words; nil if nothing is.
    public var problem: String? {
        if !(temperature >= 0 && temperature.isFinite) { return "temperature is \(temperature); use 0 (greedy) or a positive number" }
        if topK < 0 { return "top-k is \(topK); use 0 (all tokens) or a positive number" }
        if !(topP > 0 && topP <= 1) { return "top-p is \(topP); use a number above 0 and at most 1" }
        if !(minP >= 0 && minP <= 1) { return "min-p is \(minP); use a number from 0 to 1" }
        if !(repetitionPenalty > 0 && repetitionPenalty.isFinite) {
            return "repetition penalty is \(repetitionPenalty); use a positive number, 1 for none"
        }
        return nil
    }
}
