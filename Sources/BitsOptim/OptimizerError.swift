public import BitsCore
public import BitsIO

/// What is wrong with an optimizer, its parameters or what they were given.
public enum OptimizerError: Error, Equatable, Sendable {
    case invalidSetting(rule: String, name: String, value: String, expected: String)
    /// Settings that exclude each other.
    case contradiction(rule: String, String)
    /// Something that the original accepts and this does not, with the reason and what to do instead.
    case unsupported(String)
    case noParameters
    /// A parameter that appears twice, by its name or place.
    case repeatedParameter(String)
    case unsuitableParameter(String, reason: String)
    case unsuitableGradient(parameter: String, expected: String, found: String)
    /// A setting that there is not, of a rule or of an override.
    case unknownKey(String, of: String, known: [String])
    /// An override for a parameter that the optimizer does not have.
    case overrideMatchesNothing(String)
    /// Parameters that are to be found by their names, where none has one.
    case unnamedParameters
    /// A name that stands for no optimizer.
    case unknownOptimizer(String, known: [String])
    /// A state file that belongs to another model or optimizer, or breaks the rules of its format.
    case unsuitableState(path: String, String)
    case stateFile(ModelFileError)
    case file(FileError)
    case device(DeviceError)
}

extension OptimizerError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .invalidSetting(let rule, let name, let value, let expected):
            "\(rule): \(name) is \(value); expected \(expected)"
        case .contradiction(let rule, let text):
            "\(rule): \(text)"
        case .unsupported(let text):
            text
        case .noParameters:
            "an optimizer needs at least one parameter; mark those to train as trainable before making it"
        case .repeatedParameter(let name):
            "\(name) appears twice; a parameter belongs to one group, once"
        case .unsuitableParameter(let name, let reason):
            "\(name) cannot be optimized: \(reason)"
        case .unsuitableGradient(let parameter, let expected, let found):
            "the gradient of \(parameter) is \(found); expected \(expected)"
        case .unknownKey(let key, let owner, let known):
            "\(owner) has no setting '\(key)'; \(Suggestion.text(for: key, among: known))"
        case .overrideMatchesNothing(let what):
            "an override for \(what) matches no parameter; check the name, or add the parameter to the optimizer first"
        case .unnamedParameters:
            "the parameters have no names to tell embeddings by; give the optimizer model.namedParameters(), or call keep32BitMoments(of:)"
        case .unknownOptimizer(let name, let known):
            "'\(name)' is no optimizer; \(Suggestion.text(for: name, among: known))"
        case .unsuitableState(let path, let reason):
            "\(path): \(reason); nothing was changed"
        case .stateFile(let error):
            "\(error)"
        case .file(let error):
            "\(error)"
        case .device(let error):
            "\(error)"
        }
    }
}
