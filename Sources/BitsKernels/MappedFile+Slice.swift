package import BitsSystem

extension Device {
    /// The bytes `range` of `file` as elements of `dtype`: in place where the device can read the host's memory and the elements are aligned, else
    /// copied.
    package func contents(of file: MappedFile, in range: Range<Int>, as dtype: DType) -> Slice {
        precondition(range.count % dtype.byteCount == 0, "\(range.count) bytes are not a whole number of \(dtype.rawValue) elements")
        let isAligned = range.lowerBound % dtype.byteCount == 0 && file.address % UInt(dtype.byteCount) == 0
        if isAligned, !range.isEmpty, let buffer = Buffer.borrowing(file, using: range.count, on: self) {
            return Slice(buffer: buffer, dtype: dtype, offset: range.lowerBound / dtype.byteCount, count: range.count / dtype.byteCount)
        }
        return file.withBytes(in: range) { upload(bytes: $0, as: dtype) }
    }
}
