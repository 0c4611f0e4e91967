public import BitsCore
public import BitsQuant

/// A weight in few bits, as a module holds it with ``Quantized``: a value, kept in a checkpoint as several entries.
public protocol QuantizedTensor: Sendable {
    /// The shape of the tensor that was quantized.
    var shape: [Int] { get }
    /// The type of the tensor that was quantized.
    var dtype: DType { get }
    var device: Device { get }
    /// Bytes of codes, scales and codebooks in memory.
    var byteCount: Int { get }
    func moved(to device: Device) throws(DeviceError) -> Self
    func dequantized(to dtype: DType?) -> Tensor
    /// How many of the elements that were quantized were NaN or infinite; 0 for a tensor read from a file.
    func nonFiniteInputCount() throws(DeviceError) -> Int
    /// The entries of a weight called `name`, its codes first.
    func entries(named name: String) throws(DeviceError) -> [(name: String, tensor: Tensor)]
    /// The weight called `name` of which `entry` gives the parts.
    ///
    /// - Parameter dtype: of what ``dequantized(to:)`` gives back, where the entries do not say.
    init(named name: String, as dtype: DType, _ entry: (String) throws -> Tensor?) throws
}

extension QuantizedTensor {
    /// The weight called `name` of which `entry` gives the parts, of this one's kind and shape, on its device.
    func loaded(_ name: String, _ entry: (String) throws -> Tensor?) throws -> Self {
        let loaded = try Self(named: name, as: dtype, entry)
        guard loaded.shape == shape else { throw LayerError.unsuitableEntry(name, expected: "\(shape)", found: "\(loaded.shape)") }
        return try loaded.moved(to: device)
    }
}

extension FourBitTensor: QuantizedTensor {
    public var dtype: DType { state.dtype }

    public func entries(named name: String) throws(DeviceError) -> [(name: String, tensor: Tensor)] {
        try entries().map { (name + $0.suffix, $0.tensor) }
    }

    public init(named name: String, as dtype: DType = .float16, _ entry: (String) throws -> Tensor?) throws {
        try self.init { suffix in try entry(name + suffix) }
    }
}

extension Int8Tensor: QuantizedTensor {
    public func entries(named name: String) throws(DeviceError) -> [(name: String, tensor: Tensor)] {
        entries().map { ($0.name == "weight" ? name : $0.name, $0.tensor) }
    }

    public init(named name: String, as dtype: DType = .float16, _ entry: (String) throws -> Tensor?) throws {
        try self.init(dtype: dtype) { part in try entry(part == "weight" ? name : part) }
    }
}
