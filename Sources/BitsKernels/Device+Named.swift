extension Device {
    /// What the command line calls a device, which need not be there.
    public enum Name: Sendable, Equatable {
        case cpu
        /// An NVIDIA GPU by its number: `cuda:1`; `cuda` is the first.
        case cuda(Int)
        /// The first GPU that can be used, else the processor.
        case auto

        /// - Throws: ``DeviceError/unsupportedBackend(_:)`` for `rocm`, `mps` and others that exist but not in this package;
        ///   ``DeviceError/unknownDevice(_:)`` for a name of no device at all.
        public init(_ text: String) throws(DeviceError) {
            let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            switch parts.first.map(String.init) ?? text {
            case "cpu" where parts.count == 1: self = .cpu
            case "auto" where parts.count == 1: self = .auto
            case "cuda" where parts.count == 1: self = .cuda(0)
            case "cuda":
                // No sign, and no zeros before it: a GPU has one name.
                guard let ordinal = Int(parts[1]), "\(ordinal)" == parts[1], ordinal >= 0 else { throw .unknownDevice(text) }
                self = .cuda(ordinal)
            case "rocm", "hip", "xpu", "hpu", "gaudi", "mps", "metal", "npu": throw .unsupportedBackend(String(parts[0]))
            default: throw .unknownDevice(text)
            }
        }
    }

    /// The device that goes by `name`, as the command line takes it: `cpu`; `cuda` or `cuda:1` for an NVIDIA GPU by its number; `auto` for the first
    /// GPU that can be used, else the processor.
    ///
    /// - Throws: ``DeviceError/unavailable(_:reason:)`` for a GPU that cannot be used, for `auto` where none of those can that are new enough;
    ///   ``DeviceError/unsupportedBackend(_:)`` for `rocm`, `mps` and others that exist but not in this package; ``DeviceError/unknownDevice(_:)`` for
    ///   a name of no device at all.
    public init(named name: String) throws(DeviceError) { try self.init(Name(name)) }

    /// The device of this name.
    ///
    /// - Throws: ``DeviceError/unavailable(_:reason:)`` for a GPU that cannot be used.
    public init(_ name: Name) throws(DeviceError) {
        switch name {
        case .cpu: self = .cpu
        case .cuda(let ordinal): self = try .cuda(ordinal)
        case .auto: self = try Device.automatic().device
        }
    }
}
