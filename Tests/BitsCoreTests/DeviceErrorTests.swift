import BitsCore
import Testing

@Suite struct DeviceErrorTests {
    // In a process of its own: until it is read, the error is everyone's on the device.
    @Test("Memory that cannot be had is an error where the result is read, and the device works on after it")
    func outOfMemory() async throws {
        try await #require(processExitsWith: .success) {
            var huge: Tensor? = Tensor.zeros([1 << 30, 1 << 20])  // 4 PiB
            var sum = huge.map { ($0 + 1).sum() }
            let error = try #require(#expect(throws: DeviceError.self) { try sum?.item() })
            guard case .outOfMemory(byteCount: 4 << 50, device: "cpu", held: _) = error else { throw error }
            // Neither is there anything to be had from it later, nor from what is computed while it lives.
            #expect(throws: error) { try sum?.item() }
            #expect(throws: error) { try huge?.sum().item() }
            (huge, sum) = (nil, nil)
            let three = try Tensor.ones([3]).sum().item()
            #expect(three == 3)
        }
    }
}
