public import BitsCore
import BitsKernels
import BitsSystem
import BitsVerify

/// What came out when a device's version of a kernel was compared with the kernel's reference.
public struct KernelVerification: Sendable {
    public let kernel: String
    /// How many times it was compared, each time with other operands.
    public let cases: Int
    /// One line for everything that was wrong.
    public let deviations: [String]
    /// How often the device had no version of its own for the operands, and the reference itself ran.
    public let referenceRuns: Int

    /// Why it was not compared; nil where it was.
    public let omission: String?

    /// The processor may leave to the reference what is small; another device has to have a version of everything.
    public let isSound: Bool

    private init(_ kernel: String, cases: Int, deviations: [String] = [], referenceRuns: Int = 0, omission: String? = nil, isSound: Bool) {
        (self.kernel, self.cases, self.deviations, self.referenceRuns) = (kernel, cases, deviations, referenceRuns)
        (self.omission, self.isSound) = (omission, isSound)
    }

    /// The names of all kernels.
    public static let kernels = ConformanceCase.all.map(\.kernel).uniqued()

    /// Compares each of `kernels` on `device` with its reference, on ordinary operands and on such as break careless arithmetic.
    ///
    /// - Parameter report: gets each kernel's result as soon as it is there.
    /// - Throws: ``DeviceError`` when the device fails.
    public static func run(_ kernels: [String] = kernels, on device: Device, report: (KernelVerification) throws -> Void) throws {
        for kernel in kernels {
            let cases = ConformanceCase.all.filter { $0.kernel == kernel }
            let before = device.referenceRuns[kernel] ?? 0
            let deviations = try cases.flatMap { example in try example.deviations(on: device).map { "\(example.variant): \($0)" } }
            let references = (device.referenceRuns[kernel] ?? 0) - before
            let isSound = deviations.isEmpty && (references == 0 || device == .cpu)
            try report(
                KernelVerification(
                    kernel, cases: cases.count, deviations: deviations, referenceRuns: references, isSound: isSound))
        }
    }

    /// Compares kernels on operands of more than 2^31 elements, as far as the device has room for them.
    ///
    /// - Parameter report: gets each kernel's result as soon as it is there.
    /// - Throws: ``DeviceError`` when the device fails.
    public static func runLong(on device: Device, report: (KernelVerification) throws -> Void) throws {
        for example in LongCase.all {
            device.emptyCache()
            let free = device.freeByteCount ?? SystemMemory.availableByteCount ?? 0
            // The reference and the host's copies take next to nothing.
            guard free > example.byteCount + 1 << 28 else {
                let omission = "it takes \(ByteCount(example.byteCount)), and \(ByteCount(free)) are free"
                try report(KernelVerification(example.kernel, cases: 0, omission: omission, isSound: true))
                continue
            }
            let before = device.referenceRuns[example.kernel] ?? 0
            let deviations = try example.deviations(on: device)
            let references = (device.referenceRuns[example.kernel] ?? 0) - before
            try report(
                KernelVerification(
                    example.kernel, cases: 1, deviations: deviations, referenceRuns: references, isSound: deviations.isEmpty && references == 0))
        }
    }
}

extension [String] {
    /// The elements, each where it comes first.
    fileprivate func uniqued() -> [String] {
        var seen: Set<String> = []
        return filter { seen.insert($0).inserted }
    }
}
