public import BitsCore
import BitsKernels
import FoundationEssentials

extension Diagnosis {
    /// The device that `auto` stands for; and where that is not the first GPU for a reason that somebody would want to know, a line with it; GPUs
    /// that are all too old are not told of here.
    ///
    /// - Throws: ``DeviceError/unavailable(_:reason:)`` where GPUs are new enough, and none can be taken into use.
    public static func automaticDevice() throws(DeviceError) -> (device: Device, remark: String?) {
        let (device, passedOver) = try Device.automatic()
        let reasons = passedOver.map { "\($0)" } + (CUDADriver.problem.map { [$0] } ?? [])
        return (device, reasons.isEmpty ? nil : "\(device == .cpu ? "the processor" : device.name) is used: \(reasons.joined(separator: "; "))")
    }

    /// NVIDIA's driver, compiler and products, then each GPU; or what is missing, and what to do about it.
    ///
    /// - Parameter chosen: the device that is used where none is named.
    static func cuda(_ chosen: Device?) -> [Backend] {
        let gpus: [CUDAProperties]
        do { gpus = try CUDADriver.devices() } catch {
            return [Backend(name: "cuda", isAvailable: false, note: "cannot be used: \(error.reason)")]
        }
        let driver = "driver speaks CUDA \(CUDADriver.version ?? "?") (\(CUDADriver.path ?? "?"))"
        let problem = CUDACompiler.problem.map { "cannot be used: \($0)" }
        return [Backend(name: "cuda", isAvailable: problem == nil, note: "\(driver), \(problem ?? kernelSource), \(largeProducts)")]
            + gpus.enumerated().map { backend(of: $1, ordinal: $0, hasKernels: problem == nil, chosen) }
    }

    /// The environment variables that GPUs are found and used by, as far as they are set.
    static var cudaEnvironment: [String: String] {
        let visible = "CUDA_VISIBLE_DEVICES"
        let names: Set = ["BNB_CUDA_DRIVER", "BNB_NVRTC", "BNB_CUBLASLT", "BNB_CUDA_CACHE", "BNB_CUDA_WAIT", visible]
        // Empty is as good as not set, but where it hides all GPUs.
        return ProcessInfo.processInfo.environment.filter { names.contains($0.key) && (!$0.value.isEmpty || $0.key == visible) }
    }

    static var cudaKernelCache: KernelCache? {
        guard CUDADriver.path != nil else { return nil }
        return CUDAMachineCode.folder.map { KernelCache(path: $0, byteCount: CUDAMachineCode.keptByteCount) }
    }

    private static var kernelSource: String {
        if let path = CUDACompiler.path { return "kernels compiled by NVRTC \(CUDACompiler.version ?? "?") (\(path))" }
        return "kernels from PTX that is built in, as \(CUDACompiler.isOff ? "BNB_NVRTC says" : CUDACompiler.absence)"
    }

    private static var largeProducts: String {
        CUDAProducts.path.map { "large products by cuBLASLt \(CUDAProducts.version ?? "?") (\($0))" }
            ?? "large products are slow without cuBLASLt: \(CUDAProducts.absence)"
    }

    private static func backend(of gpu: CUDAProperties, ordinal: Int, hasKernels: Bool, _ chosen: Device?) -> Backend {
        var note = "\(gpu.name), compute capability \(gpu.capabilityText), \(gpu.multiprocessorCount) multiprocessors"
        note += ", \(gigabytes(gpu.memoryByteCount)), bus \(gpu.bus)"
        var isAvailable = hasKernels
        do {
            let device = try Device.cuda(ordinal)
            note += device.freeByteCount.map { ", \(gigabytes($0)) free" } ?? ""
            if device == chosen && hasKernels { note += ", is used" }
        } catch {
            note += ", cannot be used: \(error.reason)"
            isAvailable = false
        }
        if isAvailable, CUDACompiler.path != nil, CUDAMachineCode.isOfPTX(for: gpu) {
            note += ", kernels from PTX that is built in, as NVRTC does not know it"
        }
        return Backend(name: "cuda:\(ordinal)", isAvailable: isAvailable, note: note)
    }

    private static func gigabytes(_ count: Int) -> String { "\((Double(count) / 1e8).rounded() / 10) GB" }
}

extension DeviceError {
    /// Why a device cannot be used, without its name.
    fileprivate var reason: String {
        if case .unavailable(_, let reason) = self { reason } else { "\(self)" }
    }
}
