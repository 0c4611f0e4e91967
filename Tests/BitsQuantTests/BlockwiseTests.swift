import BitsCore
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("Blockwise 8-bit quantization")
struct BlockwiseTests {
    @Test("64 evenly spaced numbers get the recorded codes")
    func golden() throws {
        let ramp = Tensor((0..<64).map { (Float($0) - 31) / 32 })
        let codes = try ramp.quantizedBlockwise(blockSize: .b64).codes.bytes()
        #expect(
            hex(codes)
                == "020406080b0d0f111416181a1c1f212325282a2c2e30333537393c3e424d587fa6b1bcc0c2c5c7c9cbced0d2d4d6d9dbdddfe2e4e6e8eaedeff1f3f6f8fafcff")
    }

    @Test("A tie goes to the even code")
    func ties() throws {
        let values = Codebook.dynamic.values
        let middles = (0..<6).map { 0.5 * (values[$0] + values[$0 + 1]) }
        let quantized = Tensor([1] + middles).quantizedBlockwise(blockSize: .b64)
        #expect(try quantized.codes.integers() == [255, 0, 2, 2, 4, 4, 6])
    }

    @Test("What comes back is the value of the code times the scale, in the type that went in", arguments: [DType.float32, .float16, .bfloat16])
    func roundTrip(dtype: DType) throws {
        let x = Tensor(HostileFloats.ordinary(count: 1000, seed: 1), shape: [10, 100], dtype: dtype)
        let quantized = x.quantizedBlockwise(blockSize: .b128)
        #expect(quantized.codes.shape == [10, 100])
        let back = quantized.dequantized()
        #expect(back.dtype == dtype)
        #expect(back.shape == x.shape)
        let codes = try quantized.codes.integers()
        let scales = try quantized.state.scales.floats().floats()
        #expect(scales.count == 8)
        let expected = Tensor(codes.enumerated().map { Codebook.dynamic.values[$1] * scales[$0 / 128] }, shape: [10, 100], dtype: dtype)
        #expect(try back.bytes() == expected.bytes())
    }

    @Test("Blocks may be as large as 16384", arguments: [BlockSize.b8192, .b16384], [false, true])
    func largeBlocks(size: BlockSize, nested: Bool) throws {
        let values = HostileFloats.ordinary(count: 40_001, seed: 3)
        let quantized = Tensor(values).quantizedBlockwise(blockSize: size, doubleQuantization: nested)
        let scales = try quantized.state.scales.floats().floats()
        #expect(scales.count == (40_001 + size.count - 1) / size.count)
        if !nested { #expect(scales[0] == values.prefix(size.count).map { abs($0) }.max()) }
        let codes = try quantized.codes.integers()
        #expect(try quantized.dequantized().floats() == codes.indices.map { Codebook.dynamic.values[codes[$0]] * scales[$0 / size.count] })
    }

    @Test("The error of an element is at most half the widest gap times the scale")
    func errorBound() throws {
        let values = HostileFloats.ordinary(count: 5000, seed: 2)
        let quantized = Tensor(values).quantizedBlockwise(blockSize: .b256)
        let back = try quantized.dequantized().floats()
        let scales = try quantized.state.scales.floats().floats()
        let gap = zip(Codebook.dynamic.values, Codebook.dynamic.values.dropFirst()).map { $1 - $0 }.max()!
        for (i, value) in values.enumerated() { #expect(abs(value - back[i]) <= 0.5001 * gap * scales[i / 256]) }
    }

    @Test("An empty tensor, a block of zeros, NaN and infinity follow the contract")
    func edges() throws {
        let empty = Tensor([Float](), shape: [0, 4]).quantizedBlockwise()
        #expect(empty.codes.shape == [0, 4])
        #expect(empty.dequantized().shape == [0, 4])

        let zeros = Tensor([Float](repeating: 0, count: 70)).quantizedBlockwise(blockSize: .b64)
        #expect(try zeros.codes.integers().allSatisfy { $0 == 0 })
        #expect(try zeros.dequantized().floats().allSatisfy { $0 == 0 })

        let strange = Tensor([.nan, 1, -0.5] + [Float](repeating: 0, count: 61) + [.infinity, 2, .nan]).quantizedBlockwise(blockSize: .b64)
        let codes = try strange.codes.integers()
        #expect([codes[0], codes[1], codes[3]] == [0, 255, 127])
        #expect(abs(Codebook.dynamic.values[codes[2]] + 0.5) < 0.01)
        #expect(Array(codes[64...]) == [0, 127, 0])
        #expect(try strange.state.scales.floats().floats() == [1, .infinity])
        #expect(try strange.nonFiniteInputCount() == 3)
    }

    @Test("Scales quantized again come back as their codes, times their scale, plus their mean")
    func nesting() throws {
        let x = Tensor(HostileFloats.ordinary(count: 64 * 300 + 5, seed: 3))
        let plain = x.quantizedBlockwise(blockSize: .b64)
        let nested = x.quantizedBlockwise(blockSize: .b64, doubleQuantization: true)
        #expect(nested.state.isDoublyQuantized)
        #expect(try nested.codes.bytes() == plain.codes.bytes())
        guard case .doublyQuantized(let scales) = nested.state.scales else {
            Issue.record("the scales are not quantized")
            return
        }
        let absmax = try plain.state.scales.floats().floats()
        let offset = try scales.offset.item()
        #expect(offset == Float(absmax.map { Double($0) }.reduce(0, +) / Double(absmax.count)))
        let again = Tensor(absmax.map { $0 - offset }).quantizedBlockwise(blockSize: .b64)
        #expect(try scales.codes.bytes() == again.codes.bytes())
        let expected = try again.dequantized().floats().map { $0 + offset }
        #expect(try nested.state.scales.floats().floats() == expected)
        let codes = try nested.codes.integers()
        #expect(try nested.dequantized().floats() == codes.enumerated().map { Codebook.dynamic.values[$1] * expected[$0 / 64] })
    }

    @Test("A codebook that is not in order is searched by value")
    func unordered() throws {
        let codebook = try Codebook.linear(signed: false, totalBits: 4)
        let x = Tensor((0...100).map { Float($0) / 100 })
        let quantized = x.quantizedBlockwise(codebook: codebook, blockSize: .b128)
        let back = try quantized.dequantized().floats()
        for (value, result) in zip(try x.floats(), back) {
            let nearest = codebook.values.map { abs($0 - value) }.min()!
            #expect(abs(abs(result - value) - nearest) < 1e-6)
        }
    }

    @Test("Codes and scales from elsewhere are checked")
    func fromParts() throws {
        let x = Tensor(HostileFloats.ordinary(count: 200, seed: 4))
        let quantized = x.quantizedBlockwise(blockSize: .b64)
        let absmax = quantized.state.scales.floats()
        let again = try BlockwiseTensor(codes: quantized.codes, absmax: absmax, blockSize: .b64)
        #expect(try again.dequantized().bytes() == quantized.dequantized().bytes())
        #expect(throws: QuantizationError.inconsistentState("absmax", expected: "2 scales", found: "4")) {
            try BlockwiseTensor(codes: quantized.codes, absmax: absmax, blockSize: .b128)
        }
    }

    @Test("A transposed view is quantized in its own order")
    func view() throws {
        let x = Tensor((0..<600).map { Float($0 % 37) }, shape: [20, 30])
        let view = x.transposed()
        let copy = Tensor(try view.floats(), shape: [30, 20])
        #expect(try view.quantizedBlockwise(blockSize: .b64).codes.bytes() == copy.quantizedBlockwise(blockSize: .b64).codes.bytes())
    }
}

func hex(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}
