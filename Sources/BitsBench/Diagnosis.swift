public import BitsCore
public import BitsIO
import BitsKernels
import BitsSystem
import FoundationEssentials

/// What was found on this machine, and what of it will be used.
public struct Diagnosis: Sendable {
    /// This package's version.
    public static let version = "0.1.0"
    /// The version whose formats and rules are followed.
    public static let referenceVersion = "bitsandbytes 0.50.2"

    /// A kind of device.
    public struct Backend: Sendable, Equatable {
        public let name: String
        public let isAvailable: Bool
        /// What to know about it.
        public let note: String
    }

    /// A folder of compiled kernels.
    public struct KernelCache: Sendable, Equatable {
        public let path: String
        public let byteCount: Int
    }

    /// The processor's name, as it calls itself; nil where the system does not tell.
    public let processorName: String?
    /// What its kernels are chosen by.
    public let level: Processor.Level
    public let bestLevel: Processor.Level
    public let features: Processor.Features
    /// Threads that share a kernel's work, and processors that the process may use.
    public let threads: Int
    public let processors: Int
    /// The environment variables that the processor and GPUs are set by, as far as they are set.
    public let environment: [String: String]
    /// Bytes; nil where the system does not tell.
    public let memory: Int?
    public let availableMemory: Int?
    /// For instance `Linux 6.1.0`.
    public let system: String
    /// `x86_64` or `aarch64`.
    public let architecture: String
    /// Where downloaded models are looked for.
    public let cache: HuggingFaceCache
    /// Where kernels are kept that were compiled for a GPU; nil where there is no driver of NVIDIA's, or no such place.
    public let kernelCache: KernelCache?
    public let backends: [Backend]

    /// Looks around.
    public init() {
        processorName = SystemFile.field("model name", of: "/proc/cpuinfo")
        level = Processor.level
        bestLevel = Processor.bestLevel
        features = Processor.features
        threads = Processor.threadCount
        environment = Processor.environment.merging(Diagnosis.cudaEnvironment) { $1 }
        processors = ProcessInfo.processInfo.activeProcessorCount
        memory = SystemMemory.totalByteCount
        availableMemory = SystemMemory.availableByteCount
        system = "\(SystemFile.line(of: "/proc/sys/kernel/ostype") ?? "unknown") \(SystemFile.line(of: "/proc/sys/kernel/osrelease") ?? "")"
        #if arch(x86_64)
            architecture = "x86_64"
        #elseif arch(arm64)
            architecture = "aarch64"
        #else
            architecture = "other"
        #endif
        cache = HuggingFaceCache()
        let chosen = try? Device.automatic().device
        kernelCache = Diagnosis.cudaKernelCache
        backends =
            [Backend(name: "cpu", isAvailable: true, note: chosen == .cpu ? "is used" : "is used with --device cpu")] + Diagnosis.cuda(chosen)
            + ["rocm", "xpu", "gaudi", "metal"].map { Backend(name: $0, isAvailable: false, note: "is not supported") }
    }

    /// Instructions by the names that people know them under, widest first: what products and quantization will run on.
    public var kernels: String {
        switch level {
        case .portable: "portable C"
        case .avx2: "AVX2"
        case .avx512, .amx: "AVX-512" + (features.isEmpty ? "" : " with " + features.names.joined(separator: ", "))
        }
    }

    /// Bytes of memory that nobody has: the GPU's, or the machine's; nil where the system does not tell.
    public static func freeMemory(of device: Device) -> Int? { device.freeByteCount ?? SystemMemory.availableByteCount }

    /// The most memory that this process has held so far, in bytes, mapped files that were touched included; nil where the system does not tell.
    public static var peakMemory: Int? { SystemMemory.peakByteCount }
}
