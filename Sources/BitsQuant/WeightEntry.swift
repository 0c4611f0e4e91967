public import BitsCore

/// An entry of a checkpoint, as it is known before it is read.
public struct WeightEntry: Sendable, Equatable {
    /// nil for a type that tensors cannot have.
    public let dtype: DType?
    /// The type as errors show it.
    public let typeName: String
    public let shape: [Int]
    public let byteCount: Int

    public init(dtype: DType?, typeName: String, shape: [Int], byteCount: Int) {
        (self.dtype, self.typeName, self.shape, self.byteCount) = (dtype, typeName, shape, byteCount)
    }

    /// The entry that `tensor` is.
    public init(_ tensor: Tensor) {
        self.init(
            dtype: tensor.dtype, typeName: tensor.dtype.rawValue, shape: tensor.shape, byteCount: tensor.count * tensor.dtype.byteCount)
    }

    /// Whether these are 4-bit codes by their looks.
    package var holdsCodes: Bool { dtype == .uint8 && shape.count == 2 && shape[1] == 1 }
}

extension WeightEntry: CustomStringConvertible {
    public var description: String { "\(dtype?.rawValue ?? typeName) \(shape)" }
}

extension WeightEntry {
    /// The names that weights in 4 bits have beside `weight`, and those that weights in 8 bits have.
    package static let fourBitParts = FourBitTensor.suffixes.map { "weight\($0)" }
    package static let int8Parts = Int8Tensor.entryNames.filter { $0 != "weight" }
    /// All names that belong to a layer's weight, the codes' first.
    package static let weightParts = ["weight"] + fourBitParts + int8Parts

    /// How the weight is quantized whose entries `entry` gives by name, told from names, types and shapes alone; nil where there is no weight, or one in
    /// floating point.
    ///
    /// - Throws: ``QuantizationError/inconsistentState(_:expected:found:)`` where the entries describe the weight in two ways or in none; what `entry`
    ///   throws.
    package static func quantizedType(_ entry: (_ name: String) throws -> WeightEntry?) throws -> (any QuantizedTensor.Type)? {
        let weight = try entry("weight")
        let fourBit = try fourBitParts.filter { try entry($0) != nil }
        let int8 = try int8Parts.filter { try entry($0) != nil }
        if let first = fourBit.first, let second = int8.first {
            throw QuantizationError.inconsistentState("weight", expected: "in 4 bits or in 8", found: "in both (it has \(first) and \(second))")
        }
        if !fourBit.isEmpty { return FourBitTensor.self }
        if weight?.dtype == .int8 { return Int8Tensor.self }
        if let weight, weight.holdsCodes {
            throw QuantizationError.inconsistentState(
                "weight", expected: "described by entries beside it (absmax, quant_map, quant_state)",
                found: "\(weight.typeName) \(weight.shape) alone")
        }
        guard int8.isEmpty else {
            let found = weight.map { "a plain \($0.typeName) \($0.shape) beside quantized entries (\(int8.joined(separator: ", ")))" }
            throw QuantizationError.inconsistentState("weight", expected: "int8", found: found ?? "missing")
        }
        return nil
    }
}
