public import BitsCore
public import BitsModels
import BitsNN
import BitsSystem

/// How well a model predicts a text.
public struct Evaluation: Sendable, Equatable {
    /// Mean negative log-likelihood per predicted token, in nats.
    public var nll: Double
    /// Predicted tokens: all of each window but its first.
    public var tokens: Int
    public var windows: Int

    /// exp(nll): between how many tokens the model was torn, on average.
    public var perplexity: Double { exp(nll) }
}

/// Why a text could not be evaluated.
public enum EvaluationError: Error, Equatable, Sendable {
    case windowOutOfRange(Int, context: Int)
    case noWindows
    case textTooShort(tokens: Int, window: Int)
    /// The tokenizer has a token that the model has no vector for.
    case unknownToken(Int32, vocabulary: Int)
    /// The model computes NaN or infinity in these windows, counted from 0.
    case notANumber(windows: Range<Int>)
    case device(DeviceError)
}

extension EvaluationError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .windowOutOfRange(let window, let context): "a window of \(window) tokens; use 2 to \(context), the model's context"
        case .noWindows: "no windows to evaluate; use at least 1"
        case .textTooShort(let tokens, let window):
            "the text has \(tokens) tokens, less than one window of \(window); use a longer text or a smaller window"
        case .unknownToken(let token, let vocabulary):
            "the tokenizer gives token \(token), the model knows \(vocabulary); tokenizer.json and config.json are of different models"
        case .notANumber(let windows):
            "the model computes no numbers (NaN) in windows \(windows.lowerBound) to \(windows.upperBound - 1); "
                + "its weights are damaged or do not belong to its config.json, download it again"
        case .device(let error): error.description
        }
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
    /// It is computed as training and generation compute it, see ``BitsModels/TaskModel/policy``. Windows run several to a pass, up to about
    /// `tokensPerPass`; logits exist for a few hundred tokens at a time. A pass's loss is read when the pass after it has been submitted.
    ///
    /// - Parameter progress: called with the share of the windows whose loss has been read.
    /// - Throws: ``BitsTune/EvaluationError/device(_:)``; ``BitsTune/EvaluationError/notANumber(windows:)`` for a model that computes NaN.
    public func evaluate(
        _ windows: EvaluationWindows, tokensPerPass: Int = 4096, progress: (Double) -> Void = { _ in }
    ) throws(EvaluationError) -> Evaluation {
        let all = windows.windows
        let perPass = max(1, tokensPerPass / all[0].count)
        var total = 0.0
        var start = 0
        try forEachLoss { () throws(EvaluationError) -> Range<Int>? in
            defer { start += perPass }
            return start < all.count ? start..<min(start + perPass, all.count) : nil
        } loss: { pass in
            loss(Array(all[pass])).sum
        } take: { (pass, loss) throws(EvaluationError) in
            let sum: Float
            do throws(DeviceError) { sum = try loss.item() } catch { throw .device(error) }
            guard sum.isFinite else { throw .notANumber(windows: pass) }
            total += Double(sum)
            progress(Double(pass.upperBound) / Double(all.count))
        }
        let tokens = all.count * (all[0].count - 1)
        return Evaluation(nll: total / Double(tokens), tokens: tokens, windows: all.count)
    }
}
