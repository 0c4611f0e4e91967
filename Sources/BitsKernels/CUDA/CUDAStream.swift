internal import CBitsCUDA

/// A queue of the driver's.
struct CUDAStream: Sendable {
    private let bits: UInt

    init(_ context: CUDAContext) throws(DeviceError) {
        var stream: UnsafeMutableRawPointer?
        let status = unsafe bits_cuda_stream_create(context.pointer, &stream)
        guard status == 0 else { throw .unavailable("cuda:\(context.ordinal)", reason: CUDADriver.text(of: status)) }
        bits = UInt(bitPattern: stream)
    }

    var pointer: UnsafeMutableRawPointer? { unsafe UnsafeMutableRawPointer(bitPattern: bits) }

    /// Gives it back, when nothing is to be queued any more.
    func destroy(_ context: CUDAContext) { unsafe _ = bits_cuda_stream_destroy(context.pointer, pointer) }
}
