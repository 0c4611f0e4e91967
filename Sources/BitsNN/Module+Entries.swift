public import BitsCore
import BitsQuant

/// Saving, loading and moving: what a module declares, quantized weights included.
extension Module {
    /// What a checkpoint holds of the tree, with full names, in the order of transformers: of each module first the weights, then what belongs to
    /// quantized ones. A parameter that two modules share appears at each.
    ///
    /// - Throws: the first error of the work that leads here.
    public func entries(_ path: String = "") throws(DeviceError) -> [(name: String, tensor: Tensor)] {
        var result: [(name: String, tensor: Tensor)] = []
        for (path, module) in namedModules(path) {
            var (weights, parts): ([(String, Tensor)], [(String, Tensor)]) = ([], [])
            for declaration in module.declarations {
                let entries = try declaration.entries().map { (path.isEmpty ? $0.name : "\(path).\($0.name)", $0.tensor) }
                weights += entries.prefix(1)
                parts += entries.dropFirst()
            }
            result += weights + parts
        }
        return result
    }

    /// Takes every weight of the tree from `entry`; each keeps its type, its device and its shape.
    ///
    /// Quantized weights are read as ``entries(_:)`` wrote them, and only into layers that are quantized alike. Weights before the one that fails are
    /// loaded already.
    ///
    /// - Parameter entry: the tensor under a full name; nil where the checkpoint has none.
    /// - Throws: ``LayerError`` for an entry that is missing or of another kind, or quantized parts that do not belong together; or what `entry` throws.
    ///   Reference: `load_state_dict`.
    public func load(_ path: String = "", _ entry: (String) throws -> Tensor?) throws {
        for (path, module) in namedModules(path) {
            for declaration in module.declarations {
                try LayerError.within(path) { try declaration.load { name in try entry(path.isEmpty ? name : "\(path).\(name)") } }
            }
        }
    }

    /// Puts all weights of the tree on `device`; what was computed before stays where it is. Codes and scales move as they are: nothing is quantized again.
    ///
    /// - Throws: the first error of the work that leads here; some weights may have moved then.
    public func move(to device: Device) throws(DeviceError) {
        for (_, module) in namedModules() {
            for declaration in module.declarations { try declaration.move(to: device) }
        }
    }

    /// Where the tree's first weight lies; nil without weights.
    public var device: Device? {
        for (_, module) in namedModules() {
            for declaration in module.declarations {
                if let device = declaration.parameters.first?.parameter.device ?? declaration.quantized.first?.tensor.device { return device }
            }
        }
        return nil
    }

    /// Bytes of all weights of the tree with their scales, and of the codes of int8 weights that are trained; a parameter that two modules share counts once.
    public var byteCount: Int {
        var seen = Set<ObjectIdentifier>()
        return namedModules().map(\.module).reduce(0) { total, module in
            let declarations = module.declarations
            let parameters = declarations.flatMap(\.parameters).map(\.parameter).filter { seen.insert(ObjectIdentifier($0)).inserted }
            return total + module.copyByteCount + parameters.reduce(0) { $0 + ($1.quantized?.byteCount ?? $1.count * $1.dtype.byteCount) }
                + declarations.flatMap(\.quantized).reduce(0) { $0 + $1.tensor.byteCount }
        }
    }
}

extension Parameter {
    /// Takes its value from the entry called `name`.
    func load(_ name: String, _ entry: (String) throws -> Tensor?) throws {
        if let current = quantized { return try pack(current.loaded(name, entry)) }
        guard let tensor = try entry(name) else { throw LayerError.missingEntry(name, shape: shape) }
        guard tensor.dtype.isFloatingPoint, tensor.shape == shape else {
            throw LayerError.unsuitableEntry(name, expected: "floating point \(shape)", found: "\(tensor.dtype.rawValue) \(tensor.shape)")
        }
        value = try tensor.cast(to: dtype).moved(to: device)
    }
}

extension QuantizedTensor {
    /// The weight called `name` of which `entry` gives the parts, of this one's kind and shape, on its device.
    func loaded(_ name: String, _ entry: (String) throws -> Tensor?) throws -> Self {
        let loaded = try Self(named: name, as: dtype, entry)
        guard loaded.shape == shape else { throw LayerError.unsuitableEntry(name, expected: "\(shape)", found: "\(loaded.shape)") }
        return try loaded.moved(to: device)
    }
}
