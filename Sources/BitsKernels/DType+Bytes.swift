import BitsSystem

/// Elements from and to the bytes that they lie in.
extension DType {
    /// The elements in `bytes`, widened to float32 exactly (integers up to 2^24).
    package func floats(in bytes: [UInt8]) -> [Float] {
        switch self {
        case .float32: bytes.elements { (value: Float) in value }
        case .float16: bytes.elements { (value: Float16) in Float(value) }
        case .bfloat16: bytes.elements { (bits: UInt16) in BFloat16Bits.widening(bits) }
        default: integers(in: bytes).map { Float($0) }
        }
    }

    /// The integers in `bytes`.
    package func integers(in bytes: [UInt8]) -> [Int] {
        switch self {
        case .int8: bytes.elements { (value: Int8) in Int(value) }
        case .uint8, .bool: bytes.map { Int($0) }
        case .int32: bytes.elements { (value: Int32) in Int(value) }
        case .int64: bytes.elements { (value: Int64) in Int(value) }
        default: preconditionFailure("\(rawValue) elements as integers")
        }
    }

    /// `values` as elements, each rounded once (nearest, ties to even; integers truncate toward zero and saturate).
    package func bytes(of values: [Float]) -> [UInt8] {
        switch self {
        case .float32: [UInt8](elements: values)
        case .float16: [UInt8](elements: values.map { Float16($0) })
        case .bfloat16: [UInt8](elements: values.map(BFloat16Bits.rounding))
        case .bool: values.map { $0 == 0 ? 0 : 1 }
        default: bytes(of: values.map(\.clampedToInt))
        }
    }

    /// `values` as elements of an integer type, saturating.
    package func bytes(of values: [Int]) -> [UInt8] {
        switch self {
        case .int8: [UInt8](elements: values.map { Int8(clamping: $0) })
        case .uint8: values.map { UInt8(clamping: $0) }
        case .bool: values.map { $0 == 0 ? 0 : 1 }
        case .int32: [UInt8](elements: values.map { Int32(clamping: $0) })
        case .int64: [UInt8](elements: values.map { Int64($0) })
        default: preconditionFailure("integers as \(rawValue) elements")
        }
    }
}

extension Float {
    /// The value as an integer, toward zero; NaN is 0, the far ends saturate.
    var clampedToInt: Int {
        if isNaN { return 0 }
        if self >= 0x1p62 { return 1 << 62 }
        if self <= -0x1p62 { return -(1 << 62) }
        return Int(self)
    }
}

extension [UInt8] {
    fileprivate init<T: BitwiseCopyable>(elements: [T]) { self = elements.withBytes { [UInt8](copying: $0) } }

    fileprivate func elements<T: BitwiseCopyable, R>(_ transform: (T) -> R) -> [R] {
        withBytes { bytes in
            var result = [R]()
            result.reserveCapacity(count / MemoryLayout<T>.size)
            for start in stride(from: 0, to: count, by: MemoryLayout<T>.size) {
                result.append(transform(unsafe bytes.unsafeLoadUnaligned(fromByteOffset: start, as: T.self)))
            }
            return result
        }
    }
}
