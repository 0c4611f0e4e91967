public import BitsCore
public import BitsIO
import BitsOptim

/// Why a model could not be trained.
public enum TrainingError: Error, Equatable, Sendable {
    /// None of so many examples has a token to learn.
    case nothingToLearn(examples: Int)
    /// An example has a token that the model has no vector for.
    case unknownToken(Int32, vocabulary: Int)
    /// No weight that could be trained was asked for.
    case nothingToTrain
    /// The run learns nothing any more: what was seen, at which step, in which tensor if one can be named, and the checkpoint that is left.
    case diverged(step: Int, reason: String, tensor: String?, checkpoint: String?)
    /// The device could not go on: at which step, and the checkpoint that is left.
    case failed(step: Int, DeviceError, checkpoint: String?)
    /// A checkpoint that belongs to another run, with what differs.
    case unsuitableCheckpoint(path: String, String)
    case file(ModelFileError)
    case device(DeviceError)
}

extension TrainingError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .nothingToLearn(let examples):
            "none of \(examples) examples has anything to learn within the length limit; give examples with completions, or shorten the prompts"
        case .unknownToken(let token, let vocabulary):
            "an example has token \(token), the model knows 0 to \(vocabulary - 1); use the tokenizer that belongs to the model"
        case .nothingToTrain:
            "no weight that could be trained is named; what is quantized needs an adapter, or int8 with its 16-bit weights kept"
        case .diverged(let step, let reason, let tensor, let checkpoint):
            "step \(step): \(reason)\(tensor.map { "; \($0)" } ?? ""); try a lower learning rate, a longer warm-up or clipping at a smaller norm, and "
                + "bfloat16 rather than float16; \(checkpoint.map { "\($0) is left from before" } ?? "no checkpoint was made yet")"
        case .failed(let step, let error, let checkpoint):
            "step \(step): \(error); "
                + (checkpoint.map { "\($0) is left, from which the run can go on, with recomputation in less memory" } ?? "no checkpoint was made yet")
        case .unsuitableCheckpoint(let path, let reason): "\(path): \(reason)"
        case .file(let error): "\(error)"
        case .device(let error): "\(error)"
        }
    }
}

extension TrainingError {
    /// What a device reported in the middle of a run; nil for an error of another kind.
    init?(_ error: any Error, step: Int, checkpoint: String?) {
        switch error {
        case let error as DeviceError: self = .failed(step: step, error, checkpoint: checkpoint)
        case OptimizerError.device(let error), TrainingError.device(let error): self = .failed(step: step, error, checkpoint: checkpoint)
        default: return nil
        }
    }
}
