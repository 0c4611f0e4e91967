import BitsKernels
import FoundationEssentials
import Testing
import _BitsTestSupport

@Suite("Conformance of devices")
struct ConformanceTests {
    @Test("The processor computes what the references say, at every level and thread count", arguments: ConformanceCase.all)
    func cpu(example: ConformanceCase) throws {
        ProcessorConditions.announcement
        #expect(try example.deviations(on: .cpu) == [])
    }

    @Test(
        "The device that is tested computes the same, and leaves none to the references", .enabled(if: Device.tested != .cpu),
        arguments: ConformanceCase.all)
    func tested(example: ConformanceCase) throws {
        let before = Device.tested.referenceRuns[example.kernel]
        #expect(try example.deviations(on: .tested) == [])
        #expect(Device.tested.referenceRuns[example.kernel] == before)
    }

    @Test("A device with its own memory, which works later, computes the same", arguments: ConformanceCase.all)
    func deferred(example: ConformanceCase) throws {
        #expect(try example.deviations(on: .deferred()) == [])
    }

    @Test("No kernel is without a case")
    func completeness() throws {
        let kernels = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Sources/BitsKernels/Kernels")
        var declared: Set<String> = []
        for file in try FileManager.default.contentsOfDirectory(atPath: kernels.path) {
            let text = try String(contentsOf: kernels.appending(path: file), encoding: .utf8)
            declared.formUnion(text.matches(of: /static let name = "(\w+)"/).map { String($0.output.1) })
        }
        #expect(declared.count > 20)
        #expect(declared.subtracting(ConformanceCase.all.map(\.kernel)) == [])
    }
}
