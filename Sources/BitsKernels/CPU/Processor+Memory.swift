internal import CBitsCPU

extension Processor {
    /// Memory to be read for nothing but the time it takes: the bound for all that uses each byte once, as a token does a model's weights.
    public struct ReadableMemory: Sendable {
        private let bytes: Slice

        /// - Parameter byteCount: far more than the processor's caches hold; a multiple of 64.
        /// - Throws: ``DeviceError/outOfMemory(byteCount:device:held:)``.
        public init(byteCount: Int) throws(DeviceError) {
            precondition(byteCount > 0 && byteCount % 64 == 0, "\(byteCount) bytes to read, not a positive multiple of 64")
            bytes = Device.cpu.allocate(.uint8, count: byteCount)
            Device.cpu.run(Fill(1, into: bytes))
            try Device.cpu.synchronize()
        }

        public var byteCount: Int { bytes.byteCount }

        /// Reads every byte once, on the threads that kernels share.
        public func read() { unsafe bits_memory_read(bytes.pointer, Int64(bytes.byteCount)) }
    }
}
