public import BitsCore
import BitsKernels

/// How checkpoints keep an int8 weight: codes, scales and layout under names of their own, beside each other in the layer.
///
/// | name | type, shape |
/// |---|---|
/// | `weight` | int8 [N, K] |
/// | `SCB` | float32 [N] |
/// | `weight_format` | uint8, a scalar: 0, row by row |
extension Int8Tensor {
    /// The entries in the order in which bitsandbytes writes them.
    public func entries() -> [(name: String, tensor: Tensor)] {
        [("weight", codes), ("SCB", scales), ("weight_format", Tensor([UInt8(0)], shape: [], device: device))]
    }

    /// The names that a reader looks for.
    public static let entryNames = ["weight", "SCB", "weight_format"]

    /// The tensor that `entry` gives the parts of.
    ///
    /// - Parameters:
    ///   - entry: the tensor of a name, nil where the checkpoint has none; asked for every one of ``entryNames``. Without a `weight_format` it is 0.
    ///   - dtype: of what ``dequantized(to:)`` gives back.
    /// - Throws: ``QuantizationError`` when parts are missing, do not belong together, or lie in another layout than row by row, or a scale is
    ///   negative or not finite; what `entry` throws.
    public init(dtype: DType = .float16, entries entry: (_ name: String) throws -> Tensor?) throws {
        guard let codes = try entry("weight") else { throw QuantizationError.inconsistentState("weight", expected: "there", found: "missing") }
        guard let scales = try entry("SCB") else { throw QuantizationError.inconsistentState("SCB", expected: "there", found: "missing") }
        if let format = try entry("weight_format") { try checkRowFormat(format) }
        try self.init(codes: codes, scales: scales, dtype: dtype)
        try checkScales(self.scales, "SCB")
    }
}

private func checkRowFormat(_ format: Tensor) throws {
    let names = ["row", "col32", "col_turing", "col_ampere"]
    guard !format.dtype.isFloatingPoint, format.count == 1 else {
        throw QuantizationError.inconsistentState("weight_format", expected: "one integer", found: "\(format.dtype.rawValue) \(format.shape)")
    }
    let code = try format.integers()[0]
    guard code == 0 else {
        let name = names.indices.contains(code) ? "\(code) (\(names[code]))" : "\(code)"
        throw QuantizationError.inconsistentState("weight_format", expected: "0 (row)", found: name)
    }
}
