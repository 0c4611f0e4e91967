public import BitsCore
public import BitsQuant

/// Any parameter in 4 bits, where a module computes with it in a way of its own (the weights of experts, say): it is dequantized whenever it is read.
extension Module {
    /// Keeps the parameter `name` of this tree in 4 bits, frozen; the module computes on with what the codes stand for.
    ///
    /// Its entries are `name`, `name.absmax` and so on, as those of a linear layer's weight. Setting ``BitsCore/Parameter/value`` unpacks it.
    ///
    /// - Parameter name: the parameter's path below this module, see ``namedParameters(_:)``.
    /// - Throws: ``LayerError/unknownParameter(_:known:)``, ``LayerError/notAParameter(_:)`` for a module or a weight that is quantized already;
    ///   ``BitsQuant/QuantizationError``. Reference: `replace_parameter_4bit`.
    public func packParameter(
        _ name: String, format: FourBitFormat = .nf4, blockSize: BlockSize = .fourBitDefault, doubleQuantization: Bool = false,
        storage: DType = .uint8
    ) throws {
        let parameter = try parameter(toPack: name)
        let packed = try parameter.value.quantized(to: format, blockSize: blockSize, doubleQuantization: doubleQuantization, storage: storage)
        parameter.pack(packed)
    }

    /// Keeps the parameter `name` of this tree in 4 bits, with the codes that `entry` gives under `name`, `name.absmax` and so on.
    ///
    /// - Throws: as ``packParameter(_:format:blockSize:doubleQuantization:storage:)``; ``LayerError`` when the entries do not fit, or what `entry` throws.
    ///   Reference: `replace_parameter_4bit_prequantized`.
    public func packParameter(_ name: String, entries entry: (_ name: String) throws -> Tensor?) throws {
        let parameter = try parameter(toPack: name)
        let packed = try LayerError.within(name) { try FourBitTensor { suffix in try entry(name + suffix) } }
        guard packed.shape == parameter.shape else {
            throw LayerError.unsuitableEntry(name, expected: "\(parameter.shape)", found: "\(packed.shape)")
        }
        parameter.pack(try packed.moved(to: parameter.device))
    }

    private func parameter(toPack name: String) throws(LayerError) -> Parameter {
        let parameters = namedParameters()
        if let parameter = parameters.first(where: { $0.path == name })?.parameter {
            guard parameter.packed == nil else { throw .notAParameter(name) }
            return parameter
        }
        let isOther = namedModules().contains { path, module in
            path == name || module.declarations.flatMap(\.quantized).contains { (path.isEmpty ? $0.name : "\(path).\($0.name)") == name }
        }
        throw isOther ? .notAParameter(name) : .unknownParameter(name, known: parameters.map(\.path))
    }
}

/// A quantized tensor as a parameter's value.
private struct PackedWeight: PackedValue {
    let tensor: any QuantizedTensor
    var shape: [Int] { tensor.shape }
    var dtype: DType { tensor.dtype }
    var device: Device { tensor.device }

    func unpacked() -> Tensor { tensor.dequantized(to: nil) }
    func moved(to device: Device) throws(DeviceError) -> any PackedValue { PackedWeight(tensor: try tensor.moved(to: device)) }
}

extension Parameter {
    /// What a packed parameter is kept as; nil for an ordinary one.
    var quantized: (any QuantizedTensor)? { (packed as? PackedWeight)?.tensor }

    func pack(_ tensor: any QuantizedTensor) { pack(PackedWeight(tensor: tensor)) }
}
