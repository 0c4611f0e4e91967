import BitsCore
import Testing

@Suite struct DeviceErrorTests {
    // In a process of its own: until it is read, the error is everyone's on the device.
    @Test("Memory that cannot be had is an error where the result is read, and the device works on after it")
    func outOfMemory() async throws {
        try await #require(processExitsWith: .success) {
            let huge = Tensor.zeros([1 << 30, 1 << 20])  // 4 PiB
            let sum = (huge + 1).sum()
            #expect(throws: DeviceError.outOfMemory(byteCount: 4 << 50, device: "cpu")) { try sum.item() }
            let three = try Tensor.ones([3]).sum().item()
            #expect(three == 3)
        }
    }
}
