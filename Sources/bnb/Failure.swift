import ArgumentParser
import BitsCore
import BitsIO
import BitsModels
import BitsOptim
import BitsQuant
import BitsTune

/// How the command ends when something went wrong: one message, and an exit code that scripts can rely on.
struct Failure: Error {
    /// The codes, as `sysexits.h` has them.
    enum Code: Int32 {
        case usage = 64
        case data = 65
        case unavailable = 69
        case memory = 71
        case file = 74
    }

    let code: Code
    let message: String
    /// What an interruption has left; nil for nothing.
    private let left: String?

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
        left = nil
    }

    /// A run that was ended, and can be gone on with.
    init(interruptedAfter step: Int, checkpoint: String?) {
        code = .unavailable
        let place = checkpoint.map { ", saved in \($0)" } ?? ""
        message = "the run was ended after step \(step)\(place); go on with it by --resume"
        left = "interrupted after step \(step)\(place); go on by --resume"
    }

    /// The code for an error of the library; nil for one of the argument parser.
    init?(_ error: any Error) {
        switch error {
        case let failure as Failure: self = failure
        case let error as ModelFileError: self.init(error.code, "\(error)")
        case let error as FileError: self.init(error.exitCode, "\(error)")
        case let error as DeviceError: self.init(error.exitCode, "\(error)")
        case let error as GenerationError: self.init(error.code, "\(error)")
        case let error as EvaluationError: self.init(error.code, "\(error)")
        case let error as QuantizationError: self.init(error.code, "\(error)")
        case let error as QuantizationErrors.PlanError: self.init(.usage, "\(error)")
        case let error as TrainingError: self.init(error.code, "\(error)")
        case let error as AdapterError: self.init(error.code, "\(error)")
        case let error as OptimizerError: self.init(error.code, "\(error)")
        default: return nil
        }
    }

    /// For what the argument parser could not know: the same words as for what it refuses itself.
    init(_ error: ValidationError, of command: any ParsableCommand.Type) {
        self.init(.usage, WrongUsage.text("\(error)", of: command))
    }

    /// An interrupted command ends with 128 and the signal's number, as shells have it.
    func exit() -> Never {
        let interruption = Console.interruption
        Console.note("bnb: \(interruption == nil ? message.printable : left ?? "interrupted; nothing was left behind")\n")
        Bnb.exit(withError: ExitCode(interruption.map { 128 + $0 } ?? code.rawValue))
    }
}

extension FileError {
    fileprivate var exitCode: Failure.Code { isLackOfMemory ? .memory : .file }
}

extension DeviceError {
    fileprivate var exitCode: Failure.Code {
        switch self {
        case .outOfMemory, .outOfHostMemory: .memory
        default: .unavailable
        }
    }
}

extension ModelFileError {
    fileprivate var code: Failure.Code {
        switch self {
        case .system(let error): error.exitCode
        case .malformed, .unsupported: .data
        case .device(let error): error.exitCode
        }
    }
}

extension TrainingError {
    fileprivate var code: Failure.Code {
        switch self {
        case .nothingToLearn, .unknownToken, .diverged, .unsuitableCheckpoint: .data
        case .nothingToTrain: .usage
        case .file(let error): error.code
        case .device(let error), .failed(_, let error, _): error.exitCode
        }
    }
}

extension GenerationError {
    fileprivate var code: Failure.Code {
        switch self {
        case .emptyPrompt, .promptTooLong, .unknownToken, .notANumber: .data
        case .badOption: .usage
        case .device(let error): error.exitCode
        }
    }
}

extension EvaluationError {
    fileprivate var code: Failure.Code {
        switch self {
        case .windowOutOfRange, .noWindows: .usage
        case .textTooShort, .unknownToken, .notANumber, .notANumberInExamples, .lengthOutOfRange, .labelCount, .unknownLabel, .noLabels: .data
        case .device(let error): error.exitCode
        }
    }
}

extension QuantizationError {
    fileprivate var code: Failure.Code {
        switch self {
        case .unsupportedBlockSize, .unknownFormat, .invalidCodebook, .storageDoesNotFit, .invalidOutlierThreshold: .usage
        case .inconsistentState, .malformedState: .data
        case .device(let error): error.exitCode
        }
    }
}

extension AdapterError {
    fileprivate var code: Failure.Code {
        switch self {
        case .file(let error): error.code
        case .device(let error): error.exitCode
        case .quantization(_, let error): error.code
        default: .usage
        }
    }
}

extension OptimizerError {
    fileprivate var code: Failure.Code {
        switch self {
        case .file(let error): error.exitCode
        case .device(let error): error.exitCode
        default: .usage
        }
    }
}
