public import BitsKernels
import BitsSystem

extension Device {
    /// The device whose kernels are tested: as the environment variable `BNB_TEST_DEVICE` says, else the processor.
    public static let tested: Device = {
        let name = FileSystem.environment("BNB_TEST_DEVICE") ?? "cpu"
        do { return try Device(named: name) } catch { preconditionFailure("BNB_TEST_DEVICE: \(error)") }
    }()
}
