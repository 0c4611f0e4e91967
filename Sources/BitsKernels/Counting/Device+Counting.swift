extension Device {
    /// What a counting device stands in for.
    public enum Kind: String, Sendable, CaseIterable {
        case cpu, cuda
    }

    /// A device that computes nothing and has no memory, and counts what one of `kind` would hold: whatever is done there shows in ``memory``.
    ///
    /// ```swift
    /// let device = Device.counting(like: .cuda)
    /// let loaded = try LoadedModel(folder, options: LoadOptions(quantization: .fourBit(.nf4), device: device))
    /// ...                        // an adapter, a trainer, its run: nothing is computed
    /// print(device.memory.peak)  // weights 5.6 GB, ..., activations 1.2 GB
    /// ```
    /// A model of 70 billion weights takes milliseconds, and no memory. What is read is not what would have been computed: integers are 0, but for what has been
    /// uploaded in small pieces, and floating-point numbers lie between 0 and 1, each elsewhere; so experts are asked for evenly.
    ///
    /// - Parameter byteCount: the memory of the device that is meant, for what asks how much is left; nil for as much as is wanted.
    public static func counting(like kind: Kind = .cpu, byteCount: Int? = nil) -> Device {
        Device(backend: CountingBackend(kind, byteCount: byteCount))
    }
}
