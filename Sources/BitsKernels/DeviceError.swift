/// What a device reports when it cannot do its work.
///
/// Work is submitted without waiting, so an error surfaces where the host waits for a result: at a download or a
/// ``Device/synchronize()``.
public enum DeviceError: Error, Equatable, Sendable {
    /// `kernel` has no implementation on `device`.
    case missingKernel(String, device: String)
    /// `kernel` refused its operands with `status`.
    case kernelFailed(String, device: String, status: Int)
    /// `byteCount` bytes could not be had on `device`.
    case outOfMemory(byteCount: Int, device: String)
    /// A backend that this build does not have, by name.
    case unsupportedBackend(String)
}

extension DeviceError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .missingKernel(let kernel, let device):
            "\(device) has no kernel '\(kernel)'; run this step on the cpu device"
        case .kernelFailed(let kernel, let device, let status):
            "kernel '\(kernel)' failed on \(device) with status \(status)"
        case .outOfMemory(let byteCount, let device):
            "\(device) could not allocate \(byteCount) bytes; use a smaller batch, a shorter context or a 4-bit model"
        case .unsupportedBackend(let name):
            "backend '\(name)' is not part of this build; use cpu"
        }
    }
}
