public import BitsCore

/// A weight in few bits: a value, kept in a checkpoint as several entries.
///
/// | form | entries of a weight called `weight` |
/// |---|---|
/// | ``FourBitTensor`` | `weight`, and those beside it that it lists: `weight.absmax`, `weight.quant_map`, ... |
/// | ``Int8Tensor`` | `weight`, `SCB`, `weight_format` |
public protocol QuantizedTensor: Sendable {
    /// The shape of the tensor that was quantized.
    var shape: [Int] { get }
    /// The type of the tensor that was quantized.
    var dtype: DType { get }
    /// `nf4`, `fp4` or `int8`.
    var formatName: String { get }
    var device: Device { get }
    /// Bytes of codes, scales and codebooks in memory.
    var byteCount: Int { get }
    /// Whether a number that was quantized was infinite (in 8 bits: too large for float16), so that readers refuse its scale.
    var hasInfiniteScale: Bool { get throws(DeviceError) }
    func moved(to device: Device) throws(DeviceError) -> Self
    /// The numbers that the codes stand for, in `dtype` (nil: the type that was quantized).
    func dequantized(to dtype: DType?) -> Tensor
    /// Rows `indices` of a matrix [V, D] as numbers, see ``dequantized(to:)``; the others are not touched.
    func rows(_ indices: Tensor, dtype: DType?) -> Tensor
    /// How many of the elements that were quantized were NaN or infinite; 0 for a tensor read from a file.
    func nonFiniteInputCount() throws(DeviceError) -> Int
    /// The entries of a weight called `name`, its codes first, in the order in which bitsandbytes writes them.
    func entries(named name: String) throws(DeviceError) -> [(name: String, tensor: Tensor)]
    /// The weight called `name` of which `entry` gives the parts.
    ///
    /// - Parameter dtype: of what ``dequantized(to:)`` gives back, where the entries do not say.
    init(named name: String, as dtype: DType, _ entry: (String) throws -> Tensor?) throws
}

extension FourBitTensor: QuantizedTensor {
    public var dtype: DType { state.dtype }
    public var formatName: String { format.rawValue }
    public var hasInfiniteScale: Bool { get throws(DeviceError) { try state.scales.floats().floats().contains { !$0.isFinite } } }

    public func entries(named name: String) throws(DeviceError) -> [(name: String, tensor: Tensor)] {
        try entries().map { (name + $0.suffix, $0.tensor) }
    }

    public init(named name: String, as dtype: DType = .float16, _ entry: (String) throws -> Tensor?) throws {
        try self.init { suffix in try entry(name + suffix) }
    }
}

extension Int8Tensor: QuantizedTensor {
    public var formatName: String { "int8" }
    public var hasInfiniteScale: Bool { get throws(DeviceError) { try scales.floats().contains { !$0.isFinite } } }

    public func entries(named name: String) throws(DeviceError) -> [(name: String, tensor: Tensor)] {
        entries().map { ($0.name == "weight" ? name : $0.name, $0.tensor) }
    }

    public init(named name: String, as dtype: DType = .float16, _ entry: (String) throws -> Tensor?) throws {
        try self.init(dtype: dtype) { part in try entry(part == "weight" ? name : part) }
    }
}
