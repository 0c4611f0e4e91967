import BitsSystem
internal import CBitsCUDA

/// One GPU: what the driver says of it, and the context that everything on it belongs to.
///
/// The context is the device's primary one, which libraries that use CUDA's runtime share.
struct CUDAContext: Sendable {
    let ordinal: Int
    let properties: CUDAProperties
    /// What the driver knows it by; never followed.
    private let bits: UInt

    /// Takes the device into use.
    ///
    /// - Throws: ``DeviceError/unavailable(_:reason:)`` when there is no driver, or no such device, or it is too old.
    init(ordinal: Int) throws(DeviceError) {
        let name = "cuda:\(ordinal)"
        let count = try CUDADriver.deviceCount()
        guard ordinal >= 0 && ordinal < count else {
            let there = count == 1 ? "there is 1, cuda:0" : "there are \(count), cuda:0 to cuda:\(count - 1)"
            throw .unavailable(name, reason: "no GPU has this number; \(there)")
        }
        if let reason = try CUDADriver.properties(of: ordinal).refusal { throw .unavailable(name, reason: reason) }
        var device = unsafe bits_cuda_device()
        let status = unsafe bits_cuda_device_open(Int32(ordinal), &device)
        guard status == 0, let context = unsafe device.context else { throw .unavailable(name, reason: CUDADriver.text(of: status)) }
        self.ordinal = ordinal
        properties = unsafe CUDAProperties(device)
        bits = UInt(bitPattern: context)
    }

    var pointer: UnsafeMutableRawPointer? { unsafe UnsafeMutableRawPointer(bitPattern: bits) }

    /// Free bytes, those of other processes left out, and all.
    var memory: (free: Int, total: Int) {
        var (free, total) = (0, 0)
        unsafe _ = bits_cuda_memory_info(pointer, &free, &total)
        return (free, total)
    }
}

/// What kernels are chosen and sized by.
package struct CUDAProperties: Sendable, Equatable {
    /// As NVIDIA calls it.
    package let name: String
    /// Where it sits, for instance `0000:3b:00.0`.
    package let bus: String
    /// 90 for compute capability 9.0.
    package let computeCapability: Int
    package let multiprocessorCount: Int
    /// The most shared memory of one block.
    package let sharedByteCount: Int
    package let l2ByteCount: Int
    package let memoryByteCount: Int

    init(_ device: bits_cuda_device) {
        name = unsafe withUnsafeBytes(of: device.name) { unsafe CUDADriver.string($0) }
        bus = unsafe withUnsafeBytes(of: device.bus) { unsafe CUDADriver.string($0) }
        computeCapability = unsafe Int(device.compute_capability)
        multiprocessorCount = unsafe Int(device.multiprocessors)
        sharedByteCount = unsafe Int(device.shared_bytes_per_block)
        l2ByteCount = unsafe device.l2_bytes
        memoryByteCount = unsafe device.memory_bytes
    }

    /// For instance `9.0`.
    package var capabilityText: String { "\(computeCapability / 10).\(computeCapability % 10)" }

    /// Why kernels do not run on it; nil where they do.
    package var refusal: String? {
        if computeCapability >= 75 { return nil }
        return "it has compute capability \(capabilityText), and 7.5 is the oldest that will do; use a newer GPU, or the processor"
    }

    /// What machine code is compiled for: `sm_90a`. Instructions of one generation alone are part of it where kernels use them.
    package var architecture: String { "sm_\(computeCapability)\(computeCapability == 90 ? "a" : "")" }
}
