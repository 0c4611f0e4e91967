public import BitsCore

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
        case .file(let error):
            "\(error)"
        case .device(let error):
            "\(error)"
        }
    }
}
