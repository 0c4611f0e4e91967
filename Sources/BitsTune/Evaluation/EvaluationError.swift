public import BitsCore

/// Why a text could not be evaluated.
public enum EvaluationError: Error, Equatable, Sendable {
    case windowOutOfRange(Int, context: Int)
    case noWindows
    case textTooShort(tokens: Int, window: Int)
    /// The tokenizer has a token that the model has no vector for.
    case unknownToken(Int32, vocabulary: Int)
    /// The model computes NaN or infinity in these windows, counted from 0.
    case notANumber(windows: Range<Int>)
    /// The same in these examples, counted from 0.
    case notANumberInExamples(Range<Int>)
    /// A sequence that is empty, or longer than the model takes.
    case lengthOutOfRange(Int, context: Int, example: Int)
    /// More or fewer labels than the task asks for.
    case labelCount(Int, expected: Int, example: Int)
    case unknownLabel(Int32, classes: Int, example: Int)
    /// Not one label counts.
    case noLabels
    case device(DeviceError)
}

extension EvaluationError: CustomStringConvertible {
    private static let damage = "its weights are damaged or do not belong to its config.json, download it again"

    public var description: String {
        switch self {
        case .windowOutOfRange(let window, let context): "a window of \(window) tokens; use 2 to \(context), the model's context"
        case .noWindows: "no windows to evaluate; use at least 1"
        case .textTooShort(let tokens, let window):
            "the text has \(tokens) tokens, less than one window of \(window); use a longer text or a smaller window"
        case .unknownToken(let token, let vocabulary):
            "the tokenizer gives token \(token), the model knows \(vocabulary); tokenizer.json and config.json are of different models"
        case .notANumber(let windows):
            "the model computes no numbers (NaN) in windows \(windows.lowerBound) to \(windows.upperBound - 1); \(EvaluationError.damage)"
        case .notANumberInExamples(let examples):
            "the model computes no numbers (NaN) in examples \(examples.lowerBound) to \(examples.upperBound - 1); \(EvaluationError.damage)"
        case .lengthOutOfRange(let length, let context, let example):
            "example \(example) has \(length) tokens; use 1 to \(context), the model's context"
        case .labelCount(let count, let expected, let example): "example \(example) has \(count) labels; \(expected) were expected"
        case .unknownLabel(let label, let classes, let example):
            "example \(example) has label \(label); the model has \(classes), counted from 0"
        case .noLabels: "there is no label to compare with; use at least one example with one"
        case .device(let error): error.description
        }
    }
}
