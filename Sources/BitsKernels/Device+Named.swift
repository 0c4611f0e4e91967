extension Device {
    /// The device that goes by `name`, as the command line takes it: `cpu`, or `auto` for the best there is.
    ///
    /// - Throws: ``DeviceError/unsupportedBackend(_:)`` for `cuda`, `cuda:1`, `rocm` and others that exist but not in this build;
    ///   ``DeviceError/unknownDevice(_:)`` for a name of no device at all.
    public init(named name: String) throws(DeviceError) {
        let backend = name.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).first.map(String.init) ?? name
        switch backend {
        case "cpu" where name == "cpu", "auto" where name == "auto": self = .cpu
        case "cuda", "rocm", "hip", "xpu", "hpu", "gaudi", "mps", "metal", "npu": throw .unsupportedBackend(backend)
        default: throw .unknownDevice(name)
        }
    }
}
