import BitsCore
import BitsIO

/// What the configurations of several families say alike.
extension ConfigurationFields {
    /// The activation that the field `key` names.
    ///
    /// - Throws: ``BitsIO/ModelFileError/unsupported(path:_:)`` for one that is not implemented.
    func activation(_ key: String, default fallback: String) throws(ModelFileError) -> Activation {
        let name = try value(key, default: fallback)
        if let activation = Activation(named: name) { return activation }
        throw .unsupported(path: path, "has \(key) '\(name)'; supported are \(Activation.names.joined(separator: ", "))")
    }

    /// A number above 0, nil where the field is null, and `usual` where it is not there.
    func positive(_ key: String, orUnlessNull usual: Float?) throws(ModelFileError) -> Float? {
        if contains(key) { return try requirePositive(key) }
        return object[key] == nil ? usual : nil
    }

    /// A whole number from 1, nil where the field is null, and `usual` where it is not there.
    func count(_ key: String, orUnlessNull usual: Int?) throws(ModelFileError) -> Int? {
        if contains(key) { return try requireCount(key) }
        return object[key] == nil ? usual : nil
    }

    /// The first of `keys` that is there, or the last of them: families have several names for a size.
    func key(_ keys: String...) -> String { keys.first { contains($0) } ?? keys[keys.count - 1] }

    /// The width of each of `heads` heads that share `width`.
    func headWidth(of width: Int, _ widthKey: String, heads: Int, _ headsKey: String) throws(ModelFileError) -> Int {
        guard width % heads == 0 else { throw error("has \(widthKey) \(width), which \(headsKey) \(heads) does not divide") }
        return width / heads
    }

    /// Checks that no size is beyond its limit, where products of sizes would overflow.
    func check(_ sizes: [(key: String, size: Int, limit: Int)]) throws(ModelFileError) {
        for (key, size, limit) in sizes where size > limit {
            throw error("has \(key) \(size), more than any model has; the file is damaged, download it again")
        }
    }

    /// Of the layers 0 to `count` those that `layer_types` calls full, or where there is no such list those that `isFull` says.
    func fullLayers(of count: Int, otherwise isFull: (Int) -> Bool) throws(ModelFileError) -> Set<Int> {
        guard let types = try optional("layer_types", as: [String].self) else { return Set((0..<count).filter(isFull)) }
        guard types.count == count else { throw error("has layer_types of \(types.count) layers; \(count) were expected, one for each") }
        if let other = types.first(where: { $0 != "full_attention" && $0 != "sliding_attention" }) {
            throw .unsupported(path: path, "has a layer of type '\(other)'; full_attention and sliding_attention are supported")
        }
        return Set((0..<count).filter { types[$0] == "full_attention" })
    }
}

extension Activation {
    /// The names of config.json that stand for each.
    private static let named: [(name: String, activation: Activation)] = [
        ("gelu", .gelu), ("gelu_python", .gelu), ("gelu_new", .geluTanh), ("gelu_fast", .geluTanh), ("gelu_pytorch_tanh", .geluTanh),
        ("gelu_python_tanh", .geluTanh), ("relu", .relu), ("silu", .silu), ("swish", .silu),
    ]

    static var names: [String] { named.map(\.name) }

    /// The activation of this name in config.json; nil for one that is not implemented.
    init?(named name: String) {
        guard let found = Activation.named.first(where: { $0.name == name })?.activation else { return nil }
        self = found
    }
}
