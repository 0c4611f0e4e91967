import BitsSystem
internal import CBitsCUDA

/// NVIDIA's driver, found when it is first asked for.
package enum CUDADriver {
    /// Where it was found; nil where it was not.
    package static var path: String? { unsafe path(of: bits_cuda_driver_library()) }

    /// The CUDA version that it speaks, for instance `13.0`; nil without a driver.
    package static var version: String? { version(bits_cuda_driver_version()) }

    /// Whether launches that overlap can be recorded.
    static let recordsOverlaps = bits_cuda_driver_version() >= 12030

    /// The GPUs there are, by number, without taking them into use.
    package static func devices() throws(DeviceError) -> [CUDAProperties] {
        var devices: [CUDAProperties] = []
        for ordinal in 0..<(try deviceCount()) {
            var device = unsafe bits_cuda_device()
            let status = unsafe bits_cuda_device_describe(Int32(ordinal), &device)
            guard status == 0 else { throw .unavailable("cuda:\(ordinal)", reason: text(of: status)) }
            unsafe devices.append(CUDAProperties(device))
        }
        return devices
    }

    /// - Throws: ``DeviceError/unavailable(_:reason:)`` when there is no driver that works, or no GPU.
    static func deviceCount() throws(DeviceError) -> Int {
        let status = bits_cuda_load_driver()
        guard status == 0 else { throw .unavailable("cuda", reason: reason(of: status)) }
        var count: Int32 = 0
        let found = unsafe bits_cuda_device_count(&count)
        guard found == 0 else { throw .unavailable("cuda", reason: text(of: found)) }
        guard count > 0 else {
            throw .unavailable("cuda", reason: "the driver shows no GPU; see nvidia-smi, and CUDA_VISIBLE_DEVICES where it is set")
        }
        return Int(count)
    }

    private static func reason(of status: Int32) -> String {
        switch status {
        case Int32(BITS_CUDA_NO_DRIVER):
            return FileSystem.environment("BNB_CUDA_DRIVER").map { "BNB_CUDA_DRIVER is '\($0)': \(unsafe problem(of: bits_cuda_driver_library()))" }
                ?? "NVIDIA's driver (libcuda.so.1) was not found; install it, or see that a container is given the GPU (--gpus all)"
        case Int32(BITS_CUDA_OLD_DRIVER):
            let problem = unsafe problem(of: bits_cuda_driver_library())
            let found = version ?? "none"
            return
                "the driver speaks CUDA \(found), and 12.0 is the oldest that will do\(problem.isEmpty ? "" : " (\(problem))"); install driver 525 or newer"
        case 100: return "the driver shows no GPU; see nvidia-smi, and CUDA_VISIBLE_DEVICES where it is set"
        default: return text(of: status)
        }
    }

    /// CUDA_ERROR_OUT_OF_MEMORY
    static let outOfMemory: Int32 = 2

    /// Whether a status is about one piece of work: a bad value, too little memory or room for a launch, something that is not supported or cannot be
    /// recorded. Others say that the GPU, or what runs on it, is broken.
    static func leavesDeviceUsable(_ status: Int32) -> Bool { [1, outOfMemory, 701, 801, 912].contains(status) || (900...908).contains(status) }

    /// What the driver says of a status.
    static func text(of status: Int32) -> String {
        "\(unsafe String(cString: bits_cuda_error_text(status))) (\(unsafe String(cString: bits_cuda_error_name(status))))"
    }

    static func version(_ number: Int32) -> String? { number == 0 ? nil : "\(number / 1000).\(number % 1000 / 10)" }

    static func path(of library: UnsafePointer<bits_cuda_library>) -> String? {
        guard unsafe library.pointee.handle != nil else { return nil }
        return unsafe withUnsafeBytes(of: library.pointee.path) { unsafe string($0) }
    }

    /// Why a library was not loaded, in the system's words; empty where it was.
    static func problem(of library: UnsafePointer<bits_cuda_library>) -> String {
        unsafe withUnsafeBytes(of: library.pointee.problem) { unsafe string($0) }
    }

    /// The text in an array of C, which ends with 0.
    static func string(_ bytes: UnsafeRawBufferPointer) -> String { unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
}
