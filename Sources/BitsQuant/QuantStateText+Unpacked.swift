import BitsCore

/// The description of a 4-bit tensor in entries of its own, one a field, instead of a line of JSON: an older form, which is written only where it was read.
///
/// | suffix | holds |
/// |---|---|
/// | `.quant_type`, `.dtype`, `.nested_dtype` | UTF-8 text in uint8 |
/// | `.blocksize`, `.nested_blocksize` | a whole number |
/// | `.shape` | whole numbers |
/// | `.nested_offset` | a number |
extension QuantStateText {
    static var unpackedSuffixes: [String] {
        [".quant_type", ".blocksize", ".dtype", ".shape", ".nested_blocksize", ".nested_dtype", ".nested_offset"]
    }

    /// Reads the fields; nil where there is not one.
    ///
    /// - Parameter entry: the tensor under a suffix, nil where the checkpoint has none.
    /// - Throws: ``QuantizationError/malformedState(_:)`` that names the field, or what `entry` throws.
    init?(unpacked entry: (_ suffix: String) throws -> Tensor?) throws {
        var fields: [String: Tensor] = [:]
        for suffix in QuantStateText.unpackedSuffixes { fields[suffix] = try entry(suffix) }
        guard !fields.isEmpty else { return nil }
        func field(_ suffix: String) throws(QuantizationError) -> Tensor {
            guard let tensor = fields[suffix] else { throw .malformedState("it has no '\(suffix.dropFirst())'") }
            return tensor
        }
        func number(_ suffix: String) throws -> Int {
            let tensor = try field(suffix)
            guard tensor.count == 1, tensor.dtype.isInteger else { throw QuantStateText.anotherKind(suffix) }
            return try tensor.integers()[0]
        }
        func text(_ suffix: String) throws -> String {
            let tensor = try field(suffix)
            guard tensor.dtype == .uint8 else { throw QuantStateText.anotherKind(suffix) }
            return String(decoding: try tensor.bytes(), as: UTF8.self)
        }
        let sizes = try field(".shape")
        guard sizes.dtype.isInteger else { throw QuantStateText.anotherKind(".shape") }
        try self.init(
            formatName: try text(".quant_type"), blockSize: try number(".blocksize"), typeName: try text(".dtype"), shape: try sizes.integers())
        guard fields[".nested_offset"] != nil || fields[".nested_blocksize"] != nil else { return }
        let offset = try field(".nested_offset")
        guard offset.count == 1, offset.dtype.isFloatingPoint else { throw QuantStateText.anotherKind(".nested_offset") }
        nested = try Nested(
            blockSize: try number(".nested_blocksize"), offset: try offset.floats()[0],
            typeName: fields[".nested_dtype"] == nil ? "float32" : try text(".nested_dtype"))
    }

    private static func anotherKind(_ suffix: String) -> QuantizationError {
        .malformedState("its '\(suffix.dropFirst())' is of another kind than expected")
    }
}

extension DType {
    fileprivate var isInteger: Bool { !isFloatingPoint && self != .bool }
}
