/// What is wrong with the entries that a layer is to be made of, or with a request to change a module.
public enum LayerError: Error, Equatable, Sendable {
    /// An entry that the layer needs is not there.
    case missingEntry(String)
    /// An entry of another shape or type than the layer's.
    case unsuitableEntry(String, expected: String, found: String)
}

extension LayerError {
    /// The same with the entry's name in full.
    func within(_ path: String) -> LayerError {
        if path.isEmpty { return self }
        switch self {
        case .missingEntry(let name): return .missingEntry("\(path).\(name)")
        case .unsuitableEntry(let name, let expected, let found): return .unsuitableEntry("\(path).\(name)", expected: expected, found: found)
        }
    }
}

extension LayerError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .missingEntry(let name): "'\(name)' is missing; the checkpoint is of another model, or only a part of it"
        case .unsuitableEntry(let name, let expected, let found):
            "'\(name)' is \(found), not \(expected); the checkpoint is of another model, or is quantized otherwise"
        }
    }
}
