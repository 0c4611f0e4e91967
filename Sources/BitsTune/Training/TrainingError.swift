public import BitsIO

/// Why a model could not be trained.
public enum TrainingError: Error, Equatable, Sendable {
    /// None of so many examples has a token to learn.
    case nothingToLearn(examples: Int)
    /// An example has a token that the model has no vector for.
    case unknownToken(Int32, vocabulary: Int)
    case file(ModelFileError)
}

extension TrainingError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .nothingToLearn(let examples):
            "none of \(examples) examples has anything to learn within the length limit; give examples with completions, or shorten the prompts"
        case .unknownToken(let token, let vocabulary):
            "an example has token \(token), the model knows 0 to \(vocabulary - 1); use the tokenizer that belongs to the model"
        case .file(let error): "\(error)"
        }
    }
}
