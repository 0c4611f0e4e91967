public import BitsCore
import BitsKernels
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

    /// The processor may leave to the reference what is small; another device has to have a version of everything.
    public let isSound: Bool

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
                    kernel: kernel, cases: cases.count, deviations: deviations, referenceRuns: references, isSound: isSound))
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
