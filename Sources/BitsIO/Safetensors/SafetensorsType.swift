internal import BitsCore

/// The element types of the safetensors format, by the names in its headers.
///
/// The order is the format's own: a writer puts tensors of a later type first.
enum SafetensorsType: String, CaseIterable {
    case bool = "BOOL"
    case f4 = "F4"
    case f6E2M3 = "F6_E2M3"
    case f6E3M2 = "F6_E3M2"
    case u8 = "U8"
    case i8 = "I8"
    case f8E5M2 = "F8_E5M2"
    case f8E4M3 = "F8_E4M3"
    case f8E8M0 = "F8_E8M0"
    case i16 = "I16"
    case u16 = "U16"
    case f16 = "F16"
    case bf16 = "BF16"
    case i32 = "I32"
    case u32 = "U32"
    case f32 = "F32"
    case c64 = "C64"
    case f64 = "F64"
    case i64 = "I64"
    case u64 = "U64"

    /// Bits per element.
    var bitCount: Int {
        switch self {
        case .f4: 4
        case .f6E2M3, .f6E3M2: 6
        case .bool, .u8, .i8, .f8E5M2, .f8E4M3, .f8E8M0: 8
        case .i16, .u16, .f16, .bf16: 16
        case .i32, .u32, .f32: 32
        case .c64, .f64, .i64, .u64: 64
        }
    }

    /// The type of our tensors that holds these elements; nil where there is none.
    var dtype: DType? {
        switch self {
        case .f32: .float32
        case .f16: .float16
        case .bf16: .bfloat16
        case .i8: .int8
        case .u8: .uint8
        case .i32: .int32
        case .i64: .int64
        case .bool: .bool
        default: nil
        }
    }

    init(_ dtype: DType) {
        switch dtype {
        case .float32: self = .f32
        case .float16: self = .f16
        case .bfloat16: self = .bf16
        case .int8: self = .i8
        case .uint8: self = .u8
        case .int32: self = .i32
        case .int64: self = .i64
        case .bool: self = .bool
        }
    }

    /// Where the type stands in the format's order.
    var rank: Int { SafetensorsType.allCases.firstIndex(of: self) ?? 0 }
}
