/// The element type of a tensor.
public enum DType: String, Sendable, CaseIterable, Codable {
    case float32, float16, bfloat16, int8, uint8, int32, int64, bool

    /// Bytes per element.
    public var byteCount: Int {
        switch self {
        case .float32, .int32: 4
        case .float16, .bfloat16: 2
        case .int8, .uint8, .bool: 1
        case .int64: 8
        }
    }

    /// Whether elements are floating-point numbers, and so can carry gradients.
    public var isFloatingPoint: Bool {
        switch self {
        case .float32, .float16, .bfloat16: true
        default: false
        }
    }

    /// `value` as this floating-point type has it.
    package func rounded(_ value: Float) -> Float {
        switch self {
        case .float16: Float(Float16(value))
        case .bfloat16: BFloat16Bits.widening(BFloat16Bits.rounding(value))
        default: value
        }
    }

    /// The code that the C kernels know the type by.
    var code: Int32 {
        switch self {
        case .float32: 0
        case .float16: 1
        case .bfloat16: 2
        case .int8: 3
        case .uint8: 4
        case .int32: 5
        case .int64: 6
        case .bool: 7
        }
    }
}

/// Conversions between float32 and bfloat16 bit patterns, which Swift has no type for.
package enum BFloat16Bits {
    /// The nearest bfloat16, ties to even; a NaN stays a (quiet) NaN.
    @inlinable package static func rounding(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        if value.isNaN { return UInt16(truncatingIfNeeded: bits >> 16) | 0x40 }
        return UInt16(truncatingIfNeeded: (bits &+ 0x7fff &+ ((bits >> 16) & 1)) >> 16)
    }

    /// The float32 of the same value.
    @inlinable package static func widening(_ bits: UInt16) -> Float {
        Float(bitPattern: UInt32(bits) << 16)
    }
}
