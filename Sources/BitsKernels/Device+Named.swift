extension Device {
    /// The device that goes by `name`, as the command line takes it: `cpu`; `cuda` or `cuda:1` for an NVIDIA GPU by its number; `auto` for the first
    /// GPU where there is one, else the processor.
    ///
    /// - Throws: ``DeviceError/unavailable(_:reason:)`` for a GPU that cannot be used; ``DeviceError/unsupportedBackend(_:)`` for `rocm`, `mps` and
    ///   others that exist but not in this package; ``DeviceError/unknownDevice(_:)`` for a name of no device at all.
    public init(named name: String) throws(DeviceError) {
        let parts = name.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        switch parts.first.map(String.init) ?? name {
        case "cpu" where parts.count == 1: self = .cpu
        case "auto" where parts.count == 1: self = Device.hasCUDA ? try .cuda() : .cpu
        case "cuda" where parts.count == 1: self = try .cuda()
        case "cuda":
            guard let ordinal = Int(parts[1]), ordinal >= 0 else { throw .unknownDevice(name) }
            self = try .cuda(ordinal)
        case "rocm", "hip", "xpu", "hpu", "gaudi", "mps", "metal", "npu": throw .unsupportedBackend(String(parts[0]))
        default: throw .unknownDevice(name)
        }
    }
}
