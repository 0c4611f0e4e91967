public import BitsCore
public import BitsIO
public import BitsQuant

/// Why a model could not be given an adapter.
public enum AdapterError: Error, Equatable, Sendable {
    case badRank(Int)
    case nothingToAdapt(LoRAConfiguration.Targets)
    /// No module has one of these names, of modules that are to be trained whole.
    case nothingToSave([String])
    /// Names, expressions or numbers of a setting that match nothing in the model, and what it has.
    case unmatched(setting: String, names: [String], known: [String])
    /// A target that is no linear layer and no embedding.
    case notAdaptable(path: String, type: String)
    /// A layer that the model declares as one type, where no other can be put.
    case notReplaceable(path: String, type: String)
    /// A module that is to be trained whole, and is quantized.
    case quantized(path: String)
    /// A start that needs a layer in 4 bits and the weight that it was made of.
    case needsOriginal(path: String)
    case badExpression(String)
    /// Settings that go against one another.
    case contradiction(String)
    case quantization(path: String, QuantizationError)
    /// The file of original weights cannot be read.
    case file(ModelFileError)
    case device(DeviceError)
}

extension AdapterError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .badRank(let rank): "LoRA rank \(rank) is not from 1 to \(LoRAConfiguration.ranks.upperBound); use 4 to 64"
        case .nothingToAdapt(.allLinear): "the model has no linear layers to adapt"
        case .nothingToAdapt(.named(let names)):
            "no linear layer or embedding is called \(names.joined(separator: ", ")) and not left out; name layers such as q_proj, or use all-linear"
        case .nothingToAdapt(.matching(let text)):
            "no path of a layer is matched by '\(text)' as a whole and not left out; begin the expression with .* to match any path's end"
        case .nothingToSave(let names): "no module is called \(names.joined(separator: ", ")), which are to be saved whole; name one such as lm_head"
        case .unmatched(let setting, let names, let known):
            "\(names.map { "'\($0)'" }.joined(separator: ", ")) of \(setting) match\(names.count == 1 ? "es" : "") nothing in the model; "
                + Suggestion.text(for: names.first ?? "", among: known)
        case .notAdaptable(let path, let type):
            "'\(path)' is a \(type), which gets no adapter; name linear layers or embeddings inside it, or narrow the expression"
        case .notReplaceable(let path, let type): "'\(path)' is declared as \(type) alone, so no adapter fits there; leave it out"
        case .quantized(let path): "'\(path)' is to be trained whole and is quantized; leave it as it is when the model is quantized"
        case .needsOriginal(let path):
            "LoftQ starts from what quantization has lost: '\(path)' has to be in 4 bits, and the weight that it was made of has to be given"
        case .badExpression(let text): "'\(text)' is no regular expression that can be read here"
        case .contradiction(let text): text
        case .quantization(let path, let error): "'\(path)': \(error)"
        case .file(let error): error.description
        case .device(let error): error.description
        }
    }
}
