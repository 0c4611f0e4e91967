import BitsSystem

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

/// Copies between the host and a device, and between devices.
extension Device {
    /// A fresh slice holding `values`, whose Swift type must have the width of `dtype`.
    package func upload<T: BitwiseCopyable>(_ values: [T], as dtype: DType) -> Slice {
        precondition(MemoryLayout<T>.size == dtype.byteCount, "\(T.self) does not have the width of \(dtype.rawValue)")
        return values.withBytes { upload(bytes: $0, as: dtype) }
    }

    /// A fresh slice holding `bytes` reinterpreted as `dtype`, little-endian.
    package func upload(bytes: RawSpan, as dtype: DType) -> Slice {
        let slice = allocate(dtype, count: bytes.byteCount / dtype.byteCount)
        if bytes.byteCount > 0 { backend.upload(bytes, to: slice) }
        return slice
    }

    /// A fresh slice holding the elements of `source`, which lies on another device.
    ///
    /// - Throws: the first error of the work that leads to them.
    package func copy(_ source: Slice) throws(DeviceError) -> Slice {
        let slice = allocate(source.dtype, count: source.count)
        try backend.copy(source, to: slice)
        return slice
    }
}

extension Slice {
    /// The elements, bit for bit, as a Swift type of the same width.
    ///
    /// - Throws: the first error of the work that leads here.
    package func download<T: BitwiseCopyable>(as type: T.Type) throws(DeviceError) -> [T] {
        precondition(MemoryLayout<T>.size == dtype.byteCount, "\(T.self) does not have the width of \(dtype.rawValue)")
        return try downloaded(count: count)
    }

    /// The bytes as they lie.
    package func downloadBytes() throws(DeviceError) -> [UInt8] { try downloaded(count: byteCount) }

    /// The memory as `count` values.
    private func downloaded<T: BitwiseCopyable>(count: Int) throws(DeviceError) -> [T] {
        try unsafe [T](unsafeUninitializedCapacity: count) { memory, initialized throws(DeviceError) in
            var bytes = unsafe MutableRawSpan(
                _unsafeBytes: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(memory)[..<byteCount]))
            try device.backend.download(self, into: &bytes)
            initialized = count
        }
    }

    /// Floating-point elements widened to float32 exactly.
    package func downloadFloats() throws(DeviceError) -> [Float] {
        dtype == .float32 ? try download(as: Float.self) : dtype.floats(in: try downloadBytes())
    }

    /// Integer elements widened.
    package func downloadIntegers() throws(DeviceError) -> [Int] {
        dtype.isFloatingPoint ? try downloadFloats().map { Int($0) } : dtype.integers(in: try downloadBytes())
    }

    /// The bytes as they are after all work submitted so far, to be asked for later.
    package func downloadLater() -> LateBytes { device.backend.downloadLater(self) }
}
