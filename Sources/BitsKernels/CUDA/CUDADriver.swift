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
        for ordinal in 0..<(try deviceCount()) { devices.append(try properties(of: ordinal)) }
        return devices
    }

    /// Of each GPU, by number, whether kernels run on it as far as the driver can tell.
    static var suitableDevices: [Bool] {
        (0..<((try? deviceCount()) ?? 0)).map { ordinal in (try? properties(of: ordinal)).map { $0.refusal == nil } ?? false }
    }

    /// What the driver says of GPU `ordinal`, which is there.
    static func properties(of ordinal: Int) throws(DeviceError) -> CUDAProperties {
        var device = unsafe bits_cuda_device()
        let status = unsafe bits_cuda_device_describe(Int32(ordinal), &device)
        guard status == 0 else { throw .unavailable("cuda:\(ordinal)", reason: text(of: status)) }
        return unsafe CUDAProperties(device)
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
            return unsafe complaint(of: bits_cuda_driver_library(), namedBy: "BNB_CUDA_DRIVER")
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

    /// Why the driver that `BNB_CUDA_DRIVER` names cannot be used; nil where none is named, or it can.
    package static var problem: String? {
        let status = bits_cuda_load_driver()
        return FileSystem.environment("BNB_CUDA_DRIVER").flatMap { $0.isEmpty || status == 0 ? nil : reason(of: status) }
    }

    /// CUDA_ERROR_OUT_OF_MEMORY
    static let outOfMemory: Int32 = 2

    /// Whether a status is about one piece of work: a bad value, too little memory or room for a launch, something that is not supported or cannot be
    /// recorded. Others say that the GPU, or what runs on it, is broken.
    static func leavesDeviceUsable(_ status: Int32) -> Bool { [1, outOfMemory, 701, 801, 912].contains(status) || (900...908).contains(status) }

    /// Whether a status is about code that was given to the driver: it is damaged, of another GPU or newer than the driver, or has no such function.
    private static func isOfCode(_ status: Int32) -> Bool {
        [200, 209, 218, 500].contains(status) || (221...225).contains(status) || (300...304).contains(status)
    }

    /// The error of a device that `status`, met in `work`, ends the use of.
    static func loss(_ status: Int32, in work: String, on device: String) -> DeviceError {
        .deviceLost(device, reason: "\(text(of: status)), found in: \(work)")
    }

    /// The error of `code` that a device does not take, or the device's own: what earlier work did may be found as code is loaded.
    static func refusal(_ status: Int32, of code: String, on device: String, saying log: String = "") -> DeviceError {
        // Where there is no error of the driver's there was no code, or the process is ending.
        guard status <= 0 || isOfCode(status) || leavesDeviceUsable(status) else { return loss(status, in: "loading of \(code)", on: device) }
        return .unavailable(device, reason: "the driver does not take \(code): \(text(of: status))\(log.isEmpty ? "" : " \(log)")")
    }

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

    /// Why a library that `setting` names was not loaded; nil where it names none, or it was.
    static func complaint(of library: UnsafePointer<bits_cuda_library>, namedBy setting: String) -> String? {
        guard let named = FileSystem.environment(setting), !named.isEmpty, unsafe library.pointee.handle == nil else { return nil }
        return "\(setting) is '\(named)': \(unsafe problem(of: library))"
    }

    /// Why a library called `name` is not used, and what to do about it.
    ///
    /// - Parameters:
    ///   - setting: the variable that names its file.
    ///   - wheel: its package for Python, as it is called where the driver speaks CUDA 13.
    static func absence(of library: UnsafePointer<bits_cuda_library>, called name: String, namedBy setting: String, wheel: String) -> String {
        let found = unsafe withUnsafeBytes(of: library.pointee.path) { unsafe string($0) }
        let reason =
            unsafe complaint(of: library, namedBy: setting)
            ?? (found.isEmpty ? "\(name) was not found" : "\(found) cannot be used (\(unsafe problem(of: library)))")
        return "\(reason); `pip install \(wheel)\(bits_cuda_driver_version() < 13000 ? "-cu12" : "")` and set \(setting) to the library's path"
    }

    /// The text in an array of C, which ends with 0.
    static func string(_ bytes: UnsafeRawBufferPointer) -> String { unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
}
