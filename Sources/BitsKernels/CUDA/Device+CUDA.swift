extension Device {
    /// An NVIDIA GPU by its number, as `nvidia-smi` counts them within `CUDA_VISIBLE_DEVICES`.
    ///
    /// The driver and NVIDIA's compiler of kernels are found when they are first needed; a build needs neither, and the driver alone will do.
    ///
    /// - Throws: ``DeviceError/unavailable(_:reason:)`` when there is no driver that works, or no GPU of this number, or one whose
    ///   compute capability is below 7.5.
    public static func cuda(_ ordinal: Int = 0) throws(DeviceError) -> Device { Device(backend: try CUDABackend.shared(ordinal: ordinal)) }

    /// A GPU as a device of its own that takes no more than `memoryLimit` bytes: for tests of what happens when there are no more.
    package static func cuda(_ ordinal: Int = 0, memoryLimit: Int) throws(DeviceError) -> Device {
        Device(backend: try CUDABackend(ordinal: ordinal, memoryLimit: memoryLimit))
    }

    /// Whether there is a GPU that ``cuda(_:)`` can use: the first one.
    public static var hasCUDA: Bool {
        guard (try? CUDADriver.deviceCount()) != nil, let first = try? CUDADriver.properties(of: 0) else { return false }
        return first.refusal == nil
    }

    /// What is known of the GPU; nil for other devices.
    package var cudaProperties: CUDAProperties? { (backend as? CUDABackend)?.context.properties }

    /// Gives memory back that the device keeps for later use, its own and what it copies through on the host. On the processor nothing happens.
    public func emptyCache() { (backend as? CUDABackend)?.emptyCache() }
}
