import BitsCore
public import BitsModels
import BitsNN
import BitsSystem

/// How well a model predicts a text.
public struct Evaluation: Sendable, Equatable {
    /// Mean negative log-likelihood per predicted token, in nats.
    public var nll: Double
    /// Predicted tokens: all of each window but its first, or those that were masked.
    public var tokens: Int
    public var windows: Int

    /// exp(nll): between how many tokens the model was torn, on average.
    public var perplexity: Double { exp(nll) }
}

extension Evaluation {
    /// Of `tokens` predicted tokens in `windows` windows of `length` tokens, several of which make a pass of up to about `tokensPerPass`. A pass's loss is read when
    /// the pass after it has been submitted.
    ///
    /// - Parameters:
    ///   - loss: submits a pass: the sum of the losses of its tokens.
    ///   - progress: called with the share of the windows whose loss has been read.
    init(
        of tokens: Int, windows: Int, length: Int, tokensPerPass: Int, progress: (Double) -> Void, loss: (Range<Int>) -> Tensor
    ) throws(EvaluationError) {
        var total = 0.0
        try forEachLoss(of: windows, perPass: max(1, tokensPerPass / length), loss: loss) { (pass, loss) throws(EvaluationError) in
            let sum: Float
            do throws(DeviceError) { sum = try loss.item() } catch { throw .device(error) }
            guard sum.isFinite else { throw .notANumber(windows: pass) }
            total += Double(sum)
            progress(Double(pass.upperBound) / Double(windows))
        }
        self.init(nll: total / Double(tokens), tokens: tokens, windows: windows)
    }
}

/// Consecutive windows of a text's tokens.
///
/// The text is one row of tokens, cut into windows of equal length that share nothing; what is left at the end is not used. In each window every token
/// but the first is predicted from those before it.
public struct EvaluationWindows: Sendable {
    public let windows: [[Int32]]

    /// - Parameters:
    ///   - tokens: of the whole text, without special tokens.
    ///   - limit: takes the first windows alone.
    /// - Throws: ``EvaluationError`` when there is not one window, or a window does not fit `model`.
    public init(_ tokens: [Int32], length: Int, limit: Int? = nil, model: CausalLanguageModel) throws(EvaluationError) {
        guard length >= 2, length <= model.contextLength else { throw .windowOutOfRange(length, context: model.contextLength) }
        if let limit, limit < 1 { throw .noWindows }
        let count = min(tokens.count / length, limit ?? Int.max)
        guard count > 0 else { throw .textTooShort(tokens: tokens.count, window: length) }
        if let token = tokens.prefix(count * length).first(where: { $0 < 0 || Int($0) >= model.vocabularySize }) {
            throw .unknownToken(token, vocabulary: model.vocabularySize)
        }
        windows = (0..<count).map { Array(tokens[$0 * length..<($0 + 1) * length]) }
    }
}

extension CausalLanguageModel {
    /// The mean negative log-likelihood of the predicted tokens of all windows.
    ///
    /// It is computed as training and generation compute it, see ``BitsModels/BackboneModel/policy``. Windows run several to a pass, up to about
    /// `tokensPerPass`; logits exist for a few hundred tokens at a time. A pass's loss is read when the pass after it has been submitted.
    ///
    /// - Parameter progress: called with the share of the windows whose loss has been read.
    /// - Throws: ``BitsTune/EvaluationError/device(_:)``; ``BitsTune/EvaluationError/notANumber(windows:)`` for a model that computes NaN.
    public func evaluate(
        _ windows: EvaluationWindows, tokensPerPass: Int = 4096, progress: (Double) -> Void = { _ in }
    ) throws(EvaluationError) -> Evaluation {
        let (all, length) = (windows.windows, windows.windows[0].count)
        return try Evaluation(
            of: all.count * (length - 1), windows: all.count, length: length, tokensPerPass: tokensPerPass, progress: progress
        ) { loss(Array(all[$0])).sum }
    }
}
