package import BitsSystem

extension Device {
    /// The bytes `range` of `file` as elements of `dtype`: in place where the device can read the host's memory and the elements are aligned, else
    /// copied, with the pages of a large range given back to the system as it goes.
    package func contents(of file: MappedFile, in range: Range<Int>, as dtype: DType) -> Slice {
        precondition(range.count % dtype.byteCount == 0, "\(range.count) bytes are not a whole number of \(dtype.rawValue) elements")
        let isAligned = range.lowerBound % dtype.byteCount == 0 && file.address % UInt(dtype.byteCount) == 0
        if isAligned, !range.isEmpty, let buffer = Buffer.borrowing(file, using: range.count, on: self) {
            return Slice(buffer: buffer, dtype: dtype, offset: range.lowerBound / dtype.byteCount, count: range.count / dtype.byteCount)
        }
        let slice = allocate(dtype, count: range.count / dtype.byteCount)
        for start in stride(from: 0, to: range.count, by: Device.partByteCount) {
            let part = start..<min(start + Device.partByteCount, range.count)
            let bytes = range.lowerBound + part.lowerBound..<range.lowerBound + part.upperBound
            let target = slice[part.lowerBound / dtype.byteCount..<part.upperBound / dtype.byteCount]
            file.withBytes(in: bytes) { backend.upload($0, to: target) }
            if range.count > Device.partByteCount { file.release(bytes) }
        }
        return slice
    }

    /// What of a file is in memory at once while it is copied.
    private static let partByteCount = 64 << 20
}
