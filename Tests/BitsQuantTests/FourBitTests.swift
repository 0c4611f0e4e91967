import BitsCore
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("4-bit quantization")
struct FourBitTests {
    @Test("64 evenly spaced numbers get the recorded codes")
    func golden() throws {
        let ramp = Tensor((0..<64).map { (Float($0) - 31) / 32 })
        #expect(hex(try ramp.quantized(to: .nf4).packed.bytes()) == "00001111111122222333344455566677788999aaabbbccccddddeeeeeeefffff")
        #expect(hex(try ramp.quantized(to: .fp4).packed.bytes()) == "bbbbbaaaaaaaadddddccccfffeeee99011666677744445555522222222333333")
    }

    @Test("Packed codes have the shape of their storage type")
    func storage() throws {
        let x = Tensor(HostileFloats.ordinary(count: 1024, seed: 1), shape: [8, 128])
        let plain = try x.quantized(to: .nf4)
        #expect(plain.packed.shape == [512, 1])
        for (storage, elements) in [(DType.bfloat16, 256), (.float16, 256), (.float32, 128), (.int8, 512)] {
            let other = try x.quantized(to: .nf4, storage: storage)
            #expect(other.packed.dtype == storage)
            #expect(other.packed.shape == [elements, 1])
            #expect(try other.packed.bytes() == plain.packed.bytes())
            #expect(try other.dequantized().bytes() == plain.dequantized().bytes())
        }
    }

    @Test("A storage type that the bytes do not fill is refused")
    func storageRefused() throws {
        let x = Tensor(HostileFloats.ordinary(count: 77, seed: 1))
        #expect(throws: QuantizationError.storageDoesNotFit(byteCount: 39, storage: .bfloat16)) { try x.quantized(to: .nf4, storage: .bfloat16) }
        #expect(try x.quantized(to: .fp4).packed.shape == [39, 1])
    }

    @Test("A missing last element is the code of zero", arguments: [(FourBitFormat.nf4, UInt8(0xf7)), (.fp4, 0x30)])
    func odd(format: FourBitFormat, byte: UInt8) throws {
        let quantized = try Tensor([2.5]).quantized(to: format)
        #expect(try quantized.packed.bytes() == [byte])
        #expect(try quantized.dequantized().floats() == [2.5])
    }

    @Test("An empty tensor, a block of zeros, NaN and infinity follow the contract", arguments: FourBitFormat.allCases)
    func edges(format: FourBitFormat) throws {
        let empty = try Tensor([Float](), shape: [3, 0]).quantized(to: format, doubleQuantization: true)
        #expect(empty.packed.shape == [0, 1])
        #expect(empty.dequantized().shape == [3, 0])

        let zeros = try Tensor([Float](repeating: 0, count: 100)).quantized(to: format)
        #expect(try zeros.dequantized().floats().map(\.bitPattern) == [UInt32](repeating: 0, count: 100))
        #expect(try zeros.state.scales.floats().floats() == [0, 0])

        let strange = try Tensor([.nan, 4, -.infinity] + [Float](repeating: 1, count: 61) + [.nan, 3]).quantized(to: format)
        #expect(try strange.nonFiniteInputCount() == 3)
        #expect(try strange.state.scales.floats().floats() == [.infinity, 3])
        #expect(try strange.packed.bytes()[32] == (format == .nf4 ? 0x0f : 0x03))
    }

    /// The original's processor code counts blocks row by row when it reads, and so takes the scales of others for such rows.
    @Test("Rows that are no multiple of the block are read with the scales they were written with", arguments: FourBitFormat.allCases, [80, 96, 144])
    func rows(format: FourBitFormat, width: Int) throws {
        let values = HostileFloats.ordinary(count: 64 * width, seed: 4).enumerated().map { $1 * Float(1 + $0 / 64 % 5) }
        let quantized = try Tensor(values, shape: [64, width]).quantized(to: format)
        let found = try quantized.dequantized().floats()
        #expect(try found == Tensor(values).quantized(to: format).dequantized().floats())
        let steps = zip(format.values.sorted(), format.values.sorted().dropFirst()).map { $1 - $0 }
        for start in stride(from: 0, to: values.count, by: 64) {
            let block = start..<min(start + 64, values.count)
            let limit = (values[block].map(abs).max() ?? 0) * (steps.max() ?? 0) / 2
            #expect(block.allSatisfy { abs(found[$0] - values[$0]) <= 1.0001 * limit }, "the block at \(start)")
        }
    }

    @Test("The scales of 4-bit weights are quantized in blocks of 256", arguments: FourBitFormat.allCases)
    func doubleQuantization(format: FourBitFormat) throws {
        let x = Tensor(HostileFloats.ordinary(count: 64 * 600, seed: 2), shape: [600, 64], dtype: .bfloat16)
        let plain = try x.quantized(to: format)
        let nested = try x.quantized(to: format, doubleQuantization: true)
        #expect(try nested.packed.bytes() == plain.packed.bytes())
        guard case .doublyQuantized(let scales) = nested.state.scales else {
            Issue.record("the scales are not quantized")
            return
        }
        #expect(scales.absmax.shape == [3])
        #expect(scales.blockSize == .statistics)
        let values = try nested.state.scales.floats().floats()
        let codes = try nested.packed.bytes().flatMap { [Int($0 >> 4), Int($0 & 15)] }
        let expected = Tensor(codes.enumerated().map { format.values[$1] * values[$0 / 64] }, shape: [600, 64], dtype: .bfloat16)
        #expect(try nested.dequantized().bytes() == expected.bytes())
        #expect(nested.byteCount < plain.byteCount)
    }

    @Test("Dequantizing to another type rounds once")
    func otherType() throws {
        let quantized = try Tensor(HostileFloats.ordinary(count: 640, seed: 3), dtype: .float16).quantized(to: .nf4)
        let wide = quantized.dequantized(to: .float32)
        #expect(try quantized.dequantized(to: .bfloat16).bytes() == wide.cast(to: .bfloat16).bytes())
        #expect(quantized.dequantized().dtype == .float16)
    }

    @Test("Rows are those of the whole matrix", arguments: [64, 100])
    func rows(width: Int) throws {
        let table = try Tensor(HostileFloats.ordinary(count: 12 * width, seed: 4), shape: [12, width]).quantized(to: .nf4)
        let rows = table.rows(Tensor([Int32]([3, 11, 0, 3]), shape: [2, 2]))
        #expect(rows.shape == [2, 2, width])
        let all = try table.dequantized().floats()
        #expect(try rows.floats() == [3, 11, 0, 3].flatMap { all[$0 * width..<($0 + 1) * width] })
    }

    @Test("A block size that does not exist is refused with those that do")
    func blockSizes() throws {
        #expect(throws: QuantizationError.unsupportedBlockSize(48, supported: BlockSize.supported)) { try BlockSize(48) }
        #expect(throws: QuantizationError.self) { try BlockSize(0) }
        #expect(try BlockSize(16384) == .b16384)
        #expect(throws: QuantizationError.unsupportedBlockSize(8192, supported: [32, 64, 128, 256, 512, 1024, 2048, 4096])) {
            try Tensor.ones([20_000]).quantized(to: .nf4, blockSize: .b8192)
        }
        #expect("\(QuantizationError.unsupportedBlockSize(48, supported: [32, 64]))" == "block size 48 is not supported; use one of 32, 64")
    }

    @Test("A product with 4-bit weights is the product with the dequantized matrix, and so is its gradient", arguments: [false, true])
    func linear(nested: Bool) throws {
        let weight = try Tensor(HostileFloats.ordinary(count: 48 * 64, seed: 5), shape: [48, 64]).quantized(to: .nf4, doubleQuantization: nested)
        let dense = weight.dequantized()
        let bias = Parameter(Tensor(HostileFloats.ordinary(count: 48, seed: 6)))
        let x = Parameter(Tensor(HostileFloats.ordinary(count: 2 * 5 * 64, seed: 7), shape: [2, 5, 64]))
        let upstream = Tensor(HostileFloats.ordinary(count: 2 * 5 * 48, seed: 8), shape: [2, 5, 48])
        func run(_ y: Tensor) throws -> [[Float]] {
            (y * upstream).sum().backward()
            defer { (x.gradient, bias.gradient) = (nil, nil) }
            return [try y.floats(), try x.gradient!.floats(), try bias.gradient!.floats()]
        }
        let ours = try run(x.tensor.linear(weight, bias: bias.tensor))
        let expected = try run(x.tensor.linear(dense, bias: bias.tensor))
        for (a, b) in zip(ours, expected) {
            #expect(a.count == b.count)
            #expect(zip(a, b).allSatisfy { abs($0 - $1) <= 1e-4 * max(1, abs($1)) })
        }
    }
}
