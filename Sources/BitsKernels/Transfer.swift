/// What a device that copies needs of the host's side.
extension [UInt8] {
    /// The bytes of `span`.
    package init(copying span: RawSpan) {
        self = unsafe span.withUnsafeBytes { unsafe [UInt8]($0) }
    }

    /// Writes the bytes to `span`, which has as many.
    package func copy(into span: inout MutableRawSpan) {
        precondition(count == span.byteCount, "\(count) bytes into \(span.byteCount)")
        unsafe span.withUnsafeMutableBytes { unsafe $0.copyBytes(from: self) }
    }
}

/// Copies between the host and a device.
extension Device {
    /// A fresh slice holding `values`, whose Swift type must have the width of `dtype`.
    package func upload<T: BitwiseCopyable>(_ values: [T], as dtype: DType) -> Slice {
        precondition(MemoryLayout<T>.size == dtype.byteCount, "\(T.self) does not have the width of \(dtype.rawValue)")
        let slice = allocate(dtype, count: values.count)
        if !values.isEmpty { unsafe backend.upload(values.span.bytes, to: slice) }
        return slice
    }

    /// A fresh slice holding `bytes` reinterpreted as `dtype`, little-endian.
    package func upload(bytes: RawSpan, as dtype: DType) -> Slice {
        let slice = allocate(dtype, count: bytes.byteCount / dtype.byteCount)
        if bytes.byteCount > 0 { backend.upload(bytes, to: slice) }
        return slice
    }
}

extension Slice {
    /// The elements, bit for bit, as a Swift type of the same width.
    ///
    /// - Throws: the first error of the work that leads here.
    package func download<T: BitwiseCopyable & ExpressibleByIntegerLiteral>(as type: T.Type) throws(DeviceError) -> [T] {
        precondition(MemoryLayout<T>.size == dtype.byteCount, "\(T.self) does not have the width of \(dtype.rawValue)")
        var values = [T](repeating: 0, count: count)
        var span = values.mutableSpan
        var bytes = unsafe span.mutableBytes
        try device.backend.download(self, into: &bytes)
        return values
    }

    /// The bytes as they lie.
    package func downloadBytes() throws(DeviceError) -> [UInt8] {
        var values = [UInt8](repeating: 0, count: byteCount)
        var span = values.mutableSpan
        var bytes = unsafe span.mutableBytes
        try device.backend.download(self, into: &bytes)
        return values
    }

    /// Floating-point elements widened to float32 exactly.
    package func downloadFloats() throws(DeviceError) -> [Float] {
        switch dtype {
        case .float32: try download(as: Float.self)
        case .float16: try download(as: Float16.self).map { Float($0) }
        case .bfloat16: try download(as: UInt16.self).map { BFloat16Bits.widening($0) }
        default: try downloadIntegers().map { Float($0) }
        }
    }

    /// Integer elements widened.
    package func downloadIntegers() throws(DeviceError) -> [Int] {
        switch dtype {
        case .int8: try download(as: Int8.self).map { Int($0) }
        case .uint8, .bool: try download(as: UInt8.self).map { Int($0) }
        case .int32: try download(as: Int32.self).map { Int($0) }
        case .int64: try download(as: Int64.self).map { Int($0) }
        default: try downloadFloats().map { Int($0) }
        }
    }
}
