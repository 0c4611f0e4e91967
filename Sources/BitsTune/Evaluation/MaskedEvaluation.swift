public import BitsCore
public import BitsModels
import BitsNN

/// Consecutive windows of a text's tokens in which some are masked.
///
/// What is left of the text at the end is not used. In each window a share of the tokens, drawn at random and at least one, is replaced by the token
/// that masks; those are predicted from all the others.
public struct MaskedWindows: Sendable {
    /// The tokens of each window, and for each token what is to be predicted there; -100 for nothing.
    public let windows: [(ids: [Int32], targets: [Int32])]

    /// - Parameters:
    ///   - tokens: of the whole text, without special tokens.
    ///   - length: tokens of a window, the frame's included.
    ///   - limit: takes the first windows alone.
    ///   - mask: the token that masks.
    ///   - share: how many of the tokens are masked, from 0 to 1.
    ///   - frame: special tokens before and behind each window; none is masked.
    ///   - generator: draws the places.
    /// - Throws: ``EvaluationError`` when there is not one window, or a window does not fit `model`.
    public init(
        _ tokens: [Int32], length: Int, limit: Int? = nil, mask: Int32, share: Float = 0.15, frame: TokenFrame = TokenFrame(),
        using generator: RandomGenerator, model: MaskedLanguageModel
    ) throws(EvaluationError) {
        precondition(share > 0 && share <= 1, "a share of \(share) to mask; use more than 0 and at most 1")
        let inner = length - frame.count
        guard inner >= 1, length <= model.contextLength else { throw .windowOutOfRange(length, context: model.contextLength) }
        if let limit, limit < 1 { throw .noWindows }
        let count = min(tokens.count / inner, limit ?? Int.max)
        guard count > 0 else { throw .textTooShort(tokens: tokens.count, window: inner) }
        if let token = ([mask] + frame.before + frame.behind + tokens.prefix(count * inner)).first(where: {
            $0 < 0 || Int($0) >= model.vocabularySize
        }) {
            throw .unknownToken(token, vocabulary: model.vocabularySize)
        }
        var generator = generator
        windows = (0..<count).map { window in
            var ids = frame.before + tokens[window * inner..<(window + 1) * inner] + frame.behind
            var targets = [Int32](repeating: -100, count: length)
            let places = frame.before.count..<frame.before.count + inner
            let draws = places.map { _ in generator.uniform() }
            let lowest = draws.min() ?? 0
            for (place, draw) in zip(places, draws) where draw < share || draw == lowest { (targets[place], ids[place]) = (ids[place], mask) }
            return (ids, targets)
        }
    }
}

extension MaskedLanguageModel {
    /// The mean negative log-likelihood of the masked tokens of all windows.
    ///
    /// Windows run several to a pass, up to about `tokensPerPass`; a pass's loss is read when the pass after it has been submitted.
    ///
    /// - Parameter progress: called with the share of the windows whose loss has been read.
    /// - Throws: ``BitsTune/EvaluationError/device(_:)``; ``BitsTune/EvaluationError/notANumber(windows:)`` for a model that computes NaN.
    public func evaluate(
        _ masked: MaskedWindows, tokensPerPass: Int = 4096, progress: (Double) -> Void = { _ in }
    ) throws(EvaluationError) -> Evaluation {
        let all = masked.windows
        let predicted = all.reduce(0) { $0 + $1.targets.count { $0 != -100 } }
        return try Evaluation(
            of: predicted, windows: all.count, length: all[0].ids.count, tokensPerPass: tokensPerPass, progress: progress
        ) { loss(TokenBatch(packing: all[$0].map(\.ids), device: computeDevice), targets: all[$0].flatMap(\.targets)) }
    }
}
