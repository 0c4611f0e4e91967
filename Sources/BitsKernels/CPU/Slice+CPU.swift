/// Where operands lie in the host's memory. Whoever takes a pointer keeps the slice alive while it is in use; ``CPUBackend/submit(_:)`` does.
extension Slice {
    /// The first element.
    var pointer: UnsafeMutableRawPointer {
        unsafe UnsafeMutableRawPointer(bitPattern: buffer.address + UInt(byteOffset)).unsafelyUnwrapped
    }

    var floats: UnsafeMutablePointer<Float> { unsafe elements(.float32) }
    var bytes: UnsafeMutablePointer<UInt8> { unsafe elements(.uint8) }
    var int8s: UnsafeMutablePointer<Int8> { unsafe elements(.int8) }
    var int32s: UnsafeMutablePointer<Int32> { unsafe elements(.int32) }
    var int64s: UnsafeMutablePointer<Int64> { unsafe elements(.int64) }

    private func elements<T>(_ expected: DType) -> UnsafeMutablePointer<T> {
        precondition(dtype == expected, "a \(dtype.rawValue) slice where \(expected.rawValue) is needed")
        return unsafe pointer.assumingMemoryBound(to: T.self)
    }
}
