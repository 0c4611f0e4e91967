/// Something that a kernel takes as a parameter.
protocol CUDAArgument {
    /// Appends the bytes, at a multiple of their own number.
    func append(to arguments: inout CUDAArguments)
}

/// The parameters of one launch, laid out as the kernel's own struct would be.
struct CUDAArguments {
    private(set) var bytes: [UInt8] = []

    /// With room for the longest list: it is made for every launch.
    init() { bytes.reserveCapacity(384) }

    /// Goes on at a multiple of `byteCount` bytes.
    mutating func align(to byteCount: Int) {
        while bytes.count % byteCount != 0 { bytes.append(0) }
    }

    mutating func append<T: FixedWidthInteger>(_ value: T) {
        align(to: MemoryLayout<T>.size)
        unsafe withUnsafeBytes(of: value.littleEndian) { unsafe bytes.append(contentsOf: $0) }
    }
}

extension Int32: CUDAArgument {
    func append(to arguments: inout CUDAArguments) { arguments.append(self) }
}
extension UInt32: CUDAArgument {
    func append(to arguments: inout CUDAArguments) { arguments.append(self) }
}
extension Int: CUDAArgument {
    func append(to arguments: inout CUDAArguments) { arguments.append(self) }
}
extension Int64: CUDAArgument {
    func append(to arguments: inout CUDAArguments) { arguments.append(self) }
}
extension UInt64: CUDAArgument {
    func append(to arguments: inout CUDAArguments) { arguments.append(self) }
}
extension Float: CUDAArgument {
    func append(to arguments: inout CUDAArguments) { arguments.append(bitPattern) }
}
extension Slice: CUDAArgument {
    func append(to arguments: inout CUDAArguments) { arguments.append(UInt64(deviceAddress)) }
}
extension Slice?: CUDAArgument {
    func append(to arguments: inout CUDAArguments) { arguments.append(map { UInt64($0.deviceAddress) } ?? 0) }
}
