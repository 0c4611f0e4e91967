/// One piece of work for a device: the operands, the options, and what it computes.
///
/// Every kernel is a value declared in `Kernels/`, whose comment gives the formula and which names its operands. Its `reference` in `Reference/` is the
/// specification in plain Swift, against which every other implementation is tested; a device's own versions live in the device's folder.
package protocol Kernel: OperandGroup {
    /// Short name for errors and tables.
    static var name: String { get }
    /// Computes the kernel element by element.
    func reference(_ memory: some ReferenceMemory)
}

/// How a reference implementation reads and writes operands: whole arrays in, whole arrays out, whatever memory they live in.
package protocol ReferenceMemory {
    func load(_ slice: Slice) -> [UInt8]
    func store(_ bytes: [UInt8], to slice: Slice)
}

extension ReferenceMemory {
    /// The elements of `slice`, widened to float32 exactly (integers up to 2^24).
    package func floats(_ slice: Slice) -> [Float] {
        let bytes = load(slice)
        return bytes.withElements(count: slice.count) { (raw, index) -> Float in
            switch slice.dtype {
            case .float32: raw.element(index, as: Float.self)
            case .float16: Float(raw.element(index, as: Float16.self))
            case .bfloat16: BFloat16Bits.widening(raw.element(index, as: UInt16.self))
            case .int8: Float(raw.element(index, as: Int8.self))
            case .uint8, .bool: Float(raw.element(index, as: UInt8.self))
            case .int32: Float(raw.element(index, as: Int32.self))
            case .int64: Float(raw.element(index, as: Int64.self))
            }
        }
    }

    /// The elements of an integer `slice`.
    package func integers(_ slice: Slice) -> [Int] {
        let bytes = load(slice)
        return bytes.withElements(count: slice.count) { (raw, index) -> Int in
            switch slice.dtype {
            case .int8: Int(raw.element(index, as: Int8.self))
            case .uint8, .bool: Int(raw.element(index, as: UInt8.self))
            case .int32: Int(raw.element(index, as: Int32.self))
            case .int64: Int(raw.element(index, as: Int64.self))
            default: preconditionFailure("integers(_:) of a \(slice.dtype.rawValue) slice")
            }
        }
    }

    /// Writes `values`, each rounded once to the slice's type (nearest, ties to even; integers truncate toward zero and saturate).
    package func store(_ values: [Float], to slice: Slice) {
        precondition(values.count == slice.count, "\(values.count) values for a slice of \(slice.count)")
        var bytes = [UInt8]()
        bytes.reserveCapacity(slice.byteCount)
        for value in values {
            switch slice.dtype {
            case .float32: bytes.append(littleEndian: value.bitPattern)
            case .float16: bytes.append(littleEndian: Float16(value).bitPattern)
            case .bfloat16: bytes.append(littleEndian: BFloat16Bits.rounding(value))
            case .int8: bytes.append(UInt8(bitPattern: Int8(clamping: Int(value.clampedToInt))))
            case .uint8: bytes.append(UInt8(clamping: value.clampedToInt))
            case .bool: bytes.append(value == 0 ? 0 : 1)
            case .int32: bytes.append(littleEndian: UInt32(bitPattern: Int32(clamping: value.clampedToInt)))
            case .int64: bytes.append(littleEndian: UInt64(bitPattern: Int64(value.clampedToInt)))
            }
        }
        store(bytes, to: slice)
    }

    /// Writes integers into an integer slice, saturating.
    package func store(_ values: [Int], to slice: Slice) {
        precondition(values.count == slice.count, "\(values.count) values for a slice of \(slice.count)")
        var bytes = [UInt8]()
        bytes.reserveCapacity(slice.byteCount)
        for value in values {
            switch slice.dtype {
            case .int8: bytes.append(UInt8(bitPattern: Int8(clamping: value)))
            case .uint8: bytes.append(UInt8(clamping: value))
            case .bool: bytes.append(value == 0 ? 0 : 1)
            case .int32: bytes.append(littleEndian: UInt32(bitPattern: Int32(clamping: value)))
            case .int64: bytes.append(littleEndian: UInt64(bitPattern: Int64(value)))
            default: preconditionFailure("store of integers to a \(slice.dtype.rawValue) slice")
            }
        }
        store(bytes, to: slice)
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
    fileprivate mutating func append<T: FixedWidthInteger>(littleEndian value: T) {
        for shift in stride(from: 0, to: T.bitWidth, by: 8) { append(UInt8(truncatingIfNeeded: value >> T(shift))) }
    }

    fileprivate func withElements<R>(count: Int, _ transform: (borrowing RawSpan, Int) -> R) -> [R] {
        let raw = unsafe span.bytes
        var result = [R]()
        result.reserveCapacity(count)
        for index in 0..<count { result.append(transform(raw, index)) }
        return result
    }
}

extension RawSpan {
    fileprivate func element<T: BitwiseCopyable>(_ index: Int, as type: T.Type) -> T {
        unsafe unsafeLoadUnaligned(fromByteOffset: index * MemoryLayout<T>.size, as: type)
    }
}
