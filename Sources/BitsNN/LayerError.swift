public import BitsQuant

/// What is wrong with the entries that a layer is to be made of, or with a request to change a module.
public enum LayerError: Error, Equatable, Sendable {
    /// An entry that the layer needs is not there.
    case missingEntry(String, shape: [Int])
    /// An entry of another shape or type than the layer's.
    case unsuitableEntry(String, expected: String, found: String)
    /// The weight of this name cannot be made of its entries, or not be quantized as it is to be.
    case unsuitableWeight(String, QuantizationError)
    /// All that is wrong with a model's entries.
    case several([LayerError])
    /// No parameter has this name; these are there.
    case unknownParameter(String, known: [String])
    /// This name is a module's, or that of a weight which is quantized already.
    case notAParameter(String)
}

extension LayerError {
    /// What `body` returns; an error of it with the names in full.
    static func within<R>(_ path: String, _ body: () throws -> R) throws -> R {
        do {
            return try body()
        } catch let error as LayerError {
            throw error.within(path)
        } catch let error as QuantizationError {
            throw LayerError.unsuitableWeight(path, error)
        }
    }

    private func within(_ path: String) -> LayerError {
        if path.isEmpty { return self }
        switch self {
        case .missingEntry(let name, let shape): return .missingEntry("\(path).\(name)", shape: shape)
        case .unsuitableEntry(let name, let expected, let found): return .unsuitableEntry("\(path).\(name)", expected: expected, found: found)
        case .unknownParameter, .notAParameter: return self
        case .unsuitableWeight(let name, let error): return .unsuitableWeight("\(path).\(name)", error)
        case .several(let errors): return .several(errors.map { $0.within(path) })
        }
    }
}

extension LayerError {
    /// The entry or parameter that it is about; nil for several.
    package var name: String? {
        switch self {
        case .missingEntry(let name, _), .unsuitableEntry(let name, _, _), .unsuitableWeight(let name, _), .unknownParameter(let name, _),
            .notAParameter(let name):
            name
        case .several: nil
        }
    }

    /// What is wrong, a line for each entry, without what to do.
    package var lines: [String] {
        switch self {
        case .missingEntry(let name, let shape): ["'\(name)' \(shape) is missing"]
        case .unsuitableEntry(let name, let expected, let found): ["'\(name)' is \(found), not \(expected)"]
        case .unsuitableWeight(let name, let error): ["'\(name)': \(error)"]
        case .several(let errors): errors.flatMap(\.lines)
        case .unknownParameter, .notAParameter: [description]
        }
    }
}

extension LayerError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .missingEntry: "\(lines[0]); the checkpoint is of another model, or only a part of it"
        case .unsuitableEntry: "\(lines[0]); the checkpoint is of another model, or is quantized otherwise"
        case .unsuitableWeight: lines[0]
        case .several: lines.joined(separator: "\n")
        case .unknownParameter(let name, let known):
            "there is no parameter '\(name)'; the module has \(known.isEmpty ? "none" : known.joined(separator: ", "))"
        case .notAParameter(let name): "'\(name)' is no parameter; name a weight in floating point"
        }
    }
}
