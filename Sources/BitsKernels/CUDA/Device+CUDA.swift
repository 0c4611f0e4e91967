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

    /// Whether there is a GPU that is new enough for ``cuda(_:)``. It is not taken into use, so that may still fail.
    public static var hasCUDA: Bool { CUDADriver.suitableDevices.contains(true) }

    /// What `auto` stands for: the first GPU that can be used, else the processor; and why each GPU before that one cannot.
    ///
    /// - Throws: ``DeviceError/unavailable(_:reason:)`` where GPUs are new enough, and none can be taken into use: of the first such.
    package static func automatic() throws(DeviceError) -> (device: Device, passedOver: [DeviceError]) {
        var (passedOver, failure): ([DeviceError], DeviceError?) = ([], nil)
        for (ordinal, isSuitable) in CUDADriver.suitableDevices.enumerated() {
            do { return (try .cuda(ordinal), passedOver) } catch {
                passedOver.append(error)
                if isSuitable { failure = failure ?? error }
            }
        }
        if let failure { throw failure }
        return (.cpu, [])
    }

    /// What is known of the GPU; nil for other devices.
    package var cudaProperties: CUDAProperties? { (backend as? CUDABackend)?.context.properties }

    /// Gives memory back that the device keeps for later use, its own and what it copies through on the host. On the processor nothing happens.
    public func emptyCache() { (backend as? CUDABackend)?.emptyCache() }
}
