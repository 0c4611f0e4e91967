import BitsCore
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("Quantized tensors on another device")
struct QuantizationDeviceTests {
    @Test("A device with memory of its own gives the same bits", arguments: [DType.float32, .bfloat16])
    func sameBits(dtype: DType) throws {
        let device = Device.deferred()
        let here = Tensor(HostileFloats.ordinary(count: 33 * 70, seed: 1), shape: [33, 70], dtype: dtype)
        let there = try here.moved(to: device)
        for format in FourBitFormat.allCases {
            for nested in [false, true] {
                let (a, b) = (try here.quantized(to: format, doubleQuantization: nested), try there.quantized(to: format, doubleQuantization: nested))
                #expect(b.device == device)
                #expect(try bytes(b.entries()) == bytes(a.entries()))
                #expect(try b.dequantized().bytes() == a.dequantized().bytes())
                let indices = Tensor([Int32]([32, 0, 5]))
                #expect(try b.rows(indices.moved(to: device)).bytes() == a.rows(indices).bytes())
            }
        }
        let codebook = try Codebook.linear(signed: false, totalBits: 5)
        for nested in [false, true] {
            let a = here.quantizedBlockwise(codebook: codebook, blockSize: .b32, doubleQuantization: nested)
            let b = there.quantizedBlockwise(codebook: codebook, blockSize: .b32, doubleQuantization: nested)
            #expect(try b.codes.bytes() == a.codes.bytes())
            #expect(try b.dequantized().bytes() == a.dequantized().bytes())
            #expect(try b.nonFiniteInputCount() == 0)
        }
    }

    @Test("A 4-bit tensor moves with all its parts")
    func moving() throws {
        let device = Device.deferred()
        let weight = try Tensor(HostileFloats.ordinary(count: 4096, seed: 2), shape: [64, 64]).quantized(to: .nf4, doubleQuantization: true)
        let moved = try weight.moved(to: device)
        #expect(moved.device == device)
        #expect(try moved.dequantized().bytes() == weight.dequantized().bytes())
        let entries = Dictionary(uniqueKeysWithValues: try moved.entries().map { ($0.suffix, $0.tensor) })
        #expect(entries.values.allSatisfy { $0.device == device })
        let read = try FourBitTensor { entries[$0] }
        #expect(read.device == device)
        #expect(try read.dequantized().bytes() == weight.dequantized().bytes())
        #expect(try read.moved(to: .cpu).dequantized().bytes() == weight.dequantized().bytes())
    }

    @Test("A tensor that is let go leaves nothing behind")
    func release() throws {
        let device = Device.deferred()
        do {
            let x = try Tensor(HostileFloats.ordinary(count: 10_000, seed: 3)).moved(to: device)
            let weight = try x.quantized(to: .nf4, doubleQuantization: true)
            _ = weight.dequantized()
            _ = x.quantizedBlockwise(doubleQuantization: true).dequantized()
            try device.synchronize()
            #expect(device.allocatedByteCount > 0)
        }
        #expect(device.allocatedByteCount == 0)
    }

    private func bytes(_ entries: [(suffix: String, tensor: Tensor)]) throws -> [[UInt8]] { try entries.map { try $0.tensor.bytes() } }
}
