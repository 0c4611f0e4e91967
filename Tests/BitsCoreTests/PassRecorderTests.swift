import BitsCore
import BitsKernels
import Testing
import _BitsTestSupport

@Suite("Passes that repeat")
struct PassRecorderTests {
    /// A number that every pass adds 1 to, and how often the host took part.
    private final class Passes {
        let device: Device
        private let recorder: PassRecorder
        private let number: Slice
        var submitted = 0
        var repeated = 0

        init(on device: Device) {
            self.device = device
            recorder = PassRecorder(on: device)
            number = device.upload([Float(0)], as: .float32)
        }

        func submit(at place: Int?) {
            recorder.submit(at: place, noteRepetition: { repeated += 1 }) {
                submitted += 1
                device.run(ScaleAndShift(number, scale: 1, shift: 1, into: number))
            }
        }

        func value() throws -> Float { try number.downloadFloats()[0] }
    }

    @Test("Every pass is done, and submitted kernel by kernel where memory moves alone")
    func recorded() throws {
        let passes = Passes(on: .cpu)
        for place in [nil, 1, 1, 1, 2, 2, nil, 2] as [Int?] { passes.submit(at: place) }
        #expect(try passes.value() == 8)
        #expect(passes.submitted == 5)
        #expect(passes.repeated == 3)
    }

    @Test("A device that records nothing does every pass kernel by kernel")
    func unrecorded() throws {
        let passes = Passes(on: .deferred())
        for _ in 0..<4 { passes.submit(at: 1) }
        #expect(try passes.value() == 4)
        #expect(passes.submitted == 4)
        #expect(passes.repeated == 0)
    }
}
