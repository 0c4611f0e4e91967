/// What a device reports when it cannot do its work.
///
/// Work is submitted without waiting, so an error surfaces where the host waits for a result: at a download or a
/// ``Device/synchronize()``. What was to follow is not computed. A tensor that got no memory, or that should have been computed from one, has no
/// contents: every wait throws until the last of them is released, then the device works on.
public enum DeviceError: Error, Equatable, Sendable {
    /// `kernel` refused its operands with `status`.
    case kernelFailed(String, device: String, status: Int)
    /// `byteCount` bytes could not be had on `device`, where that much was held.
    case outOfMemory(byteCount: Int, device: String, held: MemoryUse)
    /// `byteCount` bytes of host memory that `device` copies from and to by itself could not be had.
    case outOfHostMemory(byteCount: Int, device: String)
    /// A backend that this build does not have, by name.
    case unsupportedBackend(String)
    /// No device is called so.
    case unknownDevice(String)
    /// Work that `device` could not queue, and why; the device works on.
    case notQueued(String, device: String, reason: String)
    /// A device that cannot be used, and why.
    case unavailable(String, reason: String)
    /// A device that stopped in the middle of its work; the process cannot use it again.
    case deviceLost(String, reason: String)
}

extension DeviceError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .kernelFailed(let kernel, let device, let status):
            "kernel '\(kernel)' failed on \(device) with status \(status)"
        case .outOfMemory(let byteCount, let device, let held):
            "\(device) could not allocate \(byteCount) bytes; it holds \(held); use a smaller batch, a shorter context or a 4-bit model"
        case .outOfHostMemory(let byteCount, let device):
            "there is no room for \(byteCount) bytes of pinned host memory, through which \(device) copies; see ulimit -l and the container's limit of memory"
        case .unsupportedBackend(let name):
            "backend '\(name)' is not supported; use cuda or cpu"
        case .unknownDevice(let name):
            "no device '\(name)'; use auto, cpu, cuda or cuda:N"
        case .notQueued(let work, let device, let reason):
            "'\(work)' could not be queued on \(device): \(reason)"
        case .unavailable(let name, let reason):
            "device '\(name)' cannot be used: \(reason)"
        case .deviceLost(let name, let reason):
            "\(name) stopped: \(reason); this process cannot use it again (BNB_CUDA_WAIT=1 tells the kernel)"
        }
    }
}

/// What a device remembers of a failure: it is over when it has been reported and no buffer that got no memory is left.
package struct DeviceFailure: Sendable {
    package let error: DeviceError
    /// Living buffers without memory.
    private var missing: Int
    private var isReported = false

    /// `error`, after what is remembered already: the first error counts.
    package init(_ earlier: DeviceFailure?, _ error: DeviceError, leavesMemoryMissing: Bool) {
        self = earlier ?? DeviceFailure(error)
        if leavesMemoryMissing { missing += 1 }
    }

    private init(_ error: DeviceError) {
        self.error = error
        missing = 0
    }

    /// Notes that a buffer without memory is gone.
    package mutating func released() { missing -= 1 }

    /// Notes that somebody is told.
    package mutating func reported() -> DeviceError {
        isReported = true
        return error
    }

    /// Notes that somebody is told of `error`, which may have been an earlier failure's.
    package mutating func reported(_ error: DeviceError) { if error == self.error { isReported = true } }

    package var isOver: Bool { isReported && missing == 0 }
}
