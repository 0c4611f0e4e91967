/// Something that a kernel takes as a parameter.
protocol CUDAArgument {
    /// Appends the bytes, at a multiple of their own number.
    func append(to arguments: inout CUDAArguments)
}

/// The parameters of one launch, laid out as the kernel's own struct would be.
struct CUDAArguments {
    /// Zeros behind what was appended. A list is made for every launch, so there is room for the longest from the start.
    private var room = [UInt8](repeating: 0, count: 448)
    private var byteCount = 0
    /// Whether they are a struct that is aligned to more than numbers are.
    private(set) var isAlignedStruct = false

    mutating func append<each Argument: CUDAArgument>(_ arguments: repeat each Argument) { repeat (each arguments).append(to: &self) }

    /// Goes on at a multiple of `multiple` bytes.
    mutating func align(to multiple: Int) {
        if multiple > 16 { isAlignedStruct = true }
        extend(to: (byteCount + multiple - 1) / multiple * multiple)
    }

    /// Appends a number, at a multiple of its size.
    fileprivate mutating func store<T: FixedWidthInteger>(_ value: T) {
        align(to: MemoryLayout<T>.size)
        let start = byteCount
        extend(to: start + MemoryLayout<T>.size)
        unsafe room.withUnsafeMutableBytes { unsafe $0.storeBytes(of: value.littleEndian, toByteOffset: start, as: T.self) }
    }

    private mutating func extend(to end: Int) {
        byteCount = end
        if end > room.count { room += [UInt8](repeating: 0, count: end) }
    }

    func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        unsafe room.withUnsafeBytes { unsafe body(UnsafeRawBufferPointer(rebasing: $0[..<byteCount])) }
    }
}

extension Int32: CUDAArgument {
    func append(to arguments: inout CUDAArguments) { arguments.store(self) }
}
extension UInt32: CUDAArgument {
    func append(to arguments: inout CUDAArguments) { arguments.store(self) }
}
extension Int: CUDAArgument {
    func append(to arguments: inout CUDAArguments) { arguments.store(self) }
}
extension Int64: CUDAArgument {
    func append(to arguments: inout CUDAArguments) { arguments.store(self) }
}
extension UInt64: CUDAArgument {
    func append(to arguments: inout CUDAArguments) { arguments.store(self) }
}
extension Float: CUDAArgument {
    func append(to arguments: inout CUDAArguments) { arguments.store(bitPattern) }
}
extension Slice: CUDAArgument {
    func append(to arguments: inout CUDAArguments) { arguments.store(UInt64(deviceAddress)) }
}
extension Slice?: CUDAArgument {
    func append(to arguments: inout CUDAArguments) { arguments.store(map { UInt64($0.deviceAddress) } ?? 0) }
}
