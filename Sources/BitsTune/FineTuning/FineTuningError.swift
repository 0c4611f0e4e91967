/// Why a model could not be fine-tuned on some examples.
public enum FineTuningError: Error, Equatable, Sendable, CustomStringConvertible {
    /// None of so many examples has a token to learn.
    case noCompletions(examples: Int)
    /// An example has a token that the model has no vector for.
    case unknownToken(Int32, vocabulary: Int)

    public var description: String {
        switch self {
        case .noCompletions(let examples):
            "none of \(examples) examples has a completion within the length limit; give examples with completions, or shorten the prompts"
        case .unknownToken(let token, let vocabulary):
            "an example has token \(token), the model knows 0 to \(vocabulary - 1); use the tokenizer that belongs to the model"
        }
    }
}
