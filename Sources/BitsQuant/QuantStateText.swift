import BitsCore
import FoundationEssentials

/// What the entry `quant_state.bitsandbytes__nf4` (or `__fp4`) of a checkpoint says, besides the tensors next to it: a line of JSON.
///
/// It is written byte for byte as Python's `json.dumps` writes it, and read in any order and spacing.
struct QuantStateText: Equatable {
    var format: FourBitFormat
    var blockSize: Int
    var dtype: DType
    var shape: [Int]
    /// Of the scales' own quantization, where there is one.
    var nested: Nested?

    struct Nested: Equatable {
        var blockSize: Int
        var offset: Float
    }

    /// `{"quant_type": "nf4", "blocksize": 64, ...}`
    var text: String {
        var text = "{\"quant_type\": \"\(format.rawValue)\", \"blocksize\": \(blockSize), \"dtype\": \"\(dtype.rawValue)\", "
        text += "\"shape\": [\(shape.map(String.init).joined(separator: ", "))]"
        if let nested {
            text += ", \"nested_blocksize\": \(nested.blockSize), \"nested_dtype\": \"float32\", "
            text += "\"nested_offset\": \(pythonText(Double(nested.offset)))"
        }
        return text + "}"
    }
}

extension QuantStateText {
    /// Reads the bytes of the entry.
    init(_ bytes: [UInt8]) throws(QuantizationError) {
        let decoder = JSONDecoder()
        decoder.allowsJSON5 = true  // Python writes NaN and Infinity as they are
        do { self = try decoder.decode(QuantStateText.self, from: Data(bytes)) } catch { throw QuantStateText.problem(error) }
    }

    /// Checks names and sizes.
    init(formatName: String, blockSize: Int, typeName: String, shape: [Int]) throws(QuantizationError) {
        guard let format = FourBitFormat(rawValue: formatName) else { throw .unknownFormat(formatName) }
        guard let dtype = DType(rawValue: typeName), dtype.isFloatingPoint else {
            throw .malformedState("its dtype is '\(typeName)', expected float32, float16 or bfloat16")
        }
        guard let count = Shape.checkedCount(shape), count < 1 << 50 else { throw .malformedState("its shape is \(shape)") }
        self.init(format: format, blockSize: blockSize, dtype: dtype, shape: shape)
    }

    private static func problem(_ error: any Error) -> QuantizationError {
        switch error {
        case let error as QuantizationError: error
        case DecodingError.keyNotFound(let key, _): .malformedState("it has no '\(key.stringValue)'")
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            .malformedState("its '\(context.codingPath.first?.stringValue ?? "text")' is of another kind than expected")
        default: .malformedState("it is not JSON")
        }
    }
}

extension QuantStateText.Nested {
    /// Checks type and offset.
    init(blockSize: Int, offset: Float, typeName: String) throws(QuantizationError) {
        guard typeName == "float32" else { throw .malformedState("its nested_dtype is '\(typeName)', expected float32") }
        guard offset.isFinite else { throw .malformedState("its nested_offset is \(offset), expected a finite number") }
        self.init(blockSize: blockSize, offset: offset)
    }
}

extension QuantStateText: Decodable {
    private enum Key: String, CodingKey {
        case format = "quant_type"
        case blockSize = "blocksize"
        case dtype, shape
        case nestedBlockSize = "nested_blocksize"
        case nestedDType = "nested_dtype"
        case nestedOffset = "nested_offset"
    }

    init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Key.self)
        try self.init(
            formatName: try fields.decode(String.self, forKey: .format), blockSize: try fields.decode(Int.self, forKey: .blockSize),
            typeName: try fields.decode(String.self, forKey: .dtype), shape: try fields.decode([Int].self, forKey: .shape))
        guard fields.contains(.nestedOffset) || fields.contains(.nestedBlockSize) else { return }
        nested = try Nested(
            blockSize: try fields.decode(Int.self, forKey: .nestedBlockSize), offset: Float(try fields.decode(Double.self, forKey: .nestedOffset)),
            typeName: try fields.decodeIfPresent(String.self, forKey: .nestedDType) ?? "float32")
    }
}

/// A number as Python's `repr` prints it: the shortest digits that read back as the same value, with an exponent below 1e-4 and from 1e16 on.
private func pythonText(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
    // Swift finds the same digits; only from 2^53 to 1e16 does it choose the other form.
    guard value.magnitude < 1e16, value.magnitude > 0x1p53 else { return value.description }
    return "\(Int(value)).0"
}
