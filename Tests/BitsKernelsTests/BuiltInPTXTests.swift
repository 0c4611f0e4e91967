import Testing

@testable import BitsKernels

@Suite("The PTX that is built in")
struct BuiltInPTXTests {
    @Test("PTX belongs to the present sources; after a change of kernels run Tools/ptx", arguments: CUDACompiler.files)
    func freshness(file: String) throws {
        _ = try BuiltInPTX(of: file)
    }

    @Test("Every GPU gets the newest text that serves it", arguments: CUDACompiler.files)
    func choice(file: String) throws {
        let ptx = try BuiltInPTX(of: file)
        let texts = try ptx.unpacked()
        #expect(texts.count == ptx.architectures.reduce(0) { $0 + $1.byteCount })
        for capability in [75, 86, 90, 120] {
            let text = try ptx.text(for: capability)
            let start = String(decoding: text.prefix(100).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let target = try #require(start.firstMatch(of: /^\.version 8\.0\n\.target sm_(\d+)(a?)\n/), "\(start)")
            let number = try #require(Int(target.1))
            let names = ptx.architectures.map(\.name)
            #expect(number <= capability && (target.2.isEmpty || number == capability))
            #expect(!names.contains { !$0.hasSuffix("a") && Int($0)! > number && Int($0)! <= capability })
            #expect(target.2 == "a" || !names.contains("\(capability)a"))
            #expect(text.suffix(2) == [CChar(UInt8(ascii: "\n")), 0])
        }
    }

    @Test("A GPU that is too old is told so")
    func tooOld() throws {
        let ptx = try BuiltInPTX(of: "rotary")
        #expect { _ = try ptx.text(for: 70) } throws: { "\($0)".contains("compute capability 7.0; 7.5 is the oldest") }
    }

    @Test(
        "What is cut short or no PTX at all is an error",
        arguments: ["", "\n", "swift-bitsandbytes k 75:100\n", "x 75:9"])
    func damage(text: String) {
        let ptx = BuiltInPTX("rotary", Array(text.utf8) + [0, 1, 2, 3, 4, 5])
        #expect(throws: DeviceError.self) { _ = try ptx.text(for: 90) }
    }
}
