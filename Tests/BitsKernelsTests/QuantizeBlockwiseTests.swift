import BitsKernels
import Testing
import _BitsTestSupport

@Suite("Blockwise quantization kernels")
struct QuantizeBlockwiseTests {
    /// Codebooks of every kind that matters to the search: spread over decades, even, with a run of equal values, all within one bucket of the table.
    static let codebooks: [String: [Float]] = [
        "decades": decades, "even": evenlySpaced, "padded": padded, "dense": (0..<256).map { (i: Int) -> Float in 0.5 + Float(i) * 0x1p-20 },
    ]

    static let decades: [Float] = {
        var values: [Float] = [0, 1]
        var decade: Float = 1e-6
        for exponent in 0..<7 {
            let steps = 1 << exponent
            for step in 0..<steps {
                let value = (Float(step) + 0.5) / Float(steps) * decade
                values += [value, -value]
            }
            decade *= 10
        }
        return values.sorted()
    }()

    static let evenlySpaced = (0..<256).map { (i: Int) -> Float in Float(i - 127) / 128 }

    static let padded = (0..<256).map { (i: Int) -> Float in
        if i < 8 { return Float(i - 8) / 8 }
        return i < 248 ? 0 : Float(i - 247) / 8
    }

    @Test("Codes, scales and the count of non-finite inputs are the reference's, whatever comes in", arguments: codebooks.keys.sorted())
    func hostile(name: String) throws {
        let codebook = Self.codebooks[name]!
        let device = Device.tested
        let values = HostileFloats.mixture(count: 5000, seed: 1) + thresholdsAndNeighbours(of: codebook)
        for dtype in [DType.float32, .float16, .bfloat16] {
            for blockSize in [32, 64, 256, 4096, 16384] {
                #expect(try differences(device.slice(values, as: dtype), codebook: codebook, blockSize: blockSize) == [])
            }
        }
    }

    @Test(
        "Every size of the last block is quantized", arguments: [0, 1, 5, 15, 16, 17, 63, 64, 65, 100, 255, 256, 257, 300, 4095, 4096, 4097, 70_000])
    func sizes(count: Int) throws {
        for blockSize in [32, 64, 128, 512, 1024, 2048, 4096, 8192, 16384] {
            let input = Device.tested.slice(HostileFloats.ordinary(count: count, seed: 2))
            #expect(try differences(input, codebook: Self.decades, blockSize: blockSize) == [])
        }
    }

    @Test("An offset is subtracted first, with one rounding")
    func offset() throws {
        let values = HostileFloats.ordinary(count: 2000, seed: 3) + HostileFloats.mixture(count: 600, seed: 4)
        for offset in [0.087, -3, Float.infinity] {
            let shift = Device.tested.slice([offset])
            #expect(try differences(Device.tested.slice(values), codebook: Self.decades, blockSize: 256, offset: shift) == [])
        }
    }

    @Test("A codebook out of order is searched in order and gives the codes of its entries")
    func order() throws {
        let order = Device.tested.upload((0..<256).map { UInt8(($0 * 7 + 3) % 256) }, as: .uint8)
        let input = Device.tested.slice(HostileFloats.mixture(count: 3000, seed: 5))
        #expect(try differences(input, codebook: Self.codebooks["even"]!, blockSize: 64, order: order) == [])
    }

    @Test("Dequantization is one product, one sum where there is an offset, and one rounding", arguments: [DType.float32, .float16, .bfloat16])
    func dequantization(dtype: DType) throws {
        let device = Device.tested
        let codebook = device.slice(Self.decades)
        for count in [0, 1, 63, 64, 300, 70_001] {
            let codes = device.upload((0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }, as: .uint8)
            for blockSize in [32, 64, 256, 4096, 16384] {
                let blocks = blockCount(count, blockSize: blockSize)
                let scales = (HostileFloats.special + HostileFloats.ordinary(count: max(0, blocks - 20), seed: 6)).shuffled(seed: 7)
                let absmax = device.slice((0..<blocks).map { scales[$0 % scales.count] })
                for offset in [nil, device.slice([0.0872268676])] {
                    let output = device.allocate(dtype, count: count)
                    let kernel = DequantizeBlockwise(codes, codebook: codebook, absmax: absmax, blockSize: blockSize, offset: offset, into: output)
                    #expect(try differencesFromReference(kernel, outputs: ["output": output]) == [])
                }
            }
        }
    }

    @Test("A large dequantization, which bypasses the cache, is the same", arguments: [DType.float32, .bfloat16])
    func largeDequantization(dtype: DType) throws {
        let count = (100 << 20) / dtype.byteCount + 7
        let device = Device.tested
        let codes = device.upload((0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }, as: .uint8)
        let absmax = device.slice(HostileFloats.ordinary(count: blockCount(count, blockSize: 256), seed: 8))
        let output = device.allocate(dtype, count: count)
        let kernel = DequantizeBlockwise(codes, codebook: device.slice(Self.decades), absmax: absmax, blockSize: 256, into: output)
        #expect(try differencesFromReference(kernel, outputs: ["output": output]) == [])
    }

    @Test("The mean is summed in the order that the contract names", arguments: [0, 1, 1000, 1024, 1025, 5000])
    func mean(count: Int) throws {
        let mean = Device.tested.allocate(.float32, count: 1)
        let kernel = MeanInDouble(Device.tested.slice(HostileFloats.ordinary(count: count, seed: 9)), into: mean)
        #expect(try differencesFromReference(kernel, outputs: ["mean": mean]) == [])
        if count == 0 { #expect(try mean.downloadFloats() == [0]) }
    }

    /// Every decision threshold of `codebook` with its neighbours, in blocks whose scale is exactly 1.
    private func thresholdsAndNeighbours(of codebook: [Float]) -> [Float] {
        let midpoints = NearestCode(codebook: codebook).midpoints
        let candidates = midpoints.flatMap { [$0, $0.nextUp, $0.nextDown, -$0] } + codebook
        return stride(from: 0, to: candidates.count, by: 31).flatMap { [1] + candidates[$0..<min($0 + 31, candidates.count)] }
    }

    private func differences(
        _ input: Slice, codebook: [Float], blockSize: Int, offset: Slice? = nil, order: Slice? = nil
    ) throws -> [String] {
        let device = input.device
        let codes = device.allocate(.uint8, count: input.count)
        let absmax = device.allocate(.float32, count: blockCount(input.count, blockSize: blockSize))
        let nonFinite = device.allocate(.int64, count: 1)
        let kernel = QuantizeBlockwise(
            input, offset: offset, codebook: device.slice(codebook), order: order, blockSize: blockSize, codes: codes, absmax: absmax,
            nonFiniteCount: nonFinite)
        return try differencesFromReference(kernel, outputs: ["codes": codes, "absmax": absmax, "count": nonFinite])
    }
}

extension Array {
    /// The elements in another order, the same for the same seed.
    func shuffled(seed: UInt64) -> [Element] {
        var random = SplitMix(state: seed)
        return shuffled(using: &random)
    }
}
