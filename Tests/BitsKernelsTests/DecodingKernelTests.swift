import BitsKernels
import Testing
import _BitsTestSupport

@Suite("Places, and keys and values kept there")
struct DecodingKernelTests {
    @Test("Sequences of different lengths go on where each of them ended, and one that ended stays")
    func places() throws {
        let device = Device.tested
        let lengths = device.integers([4, -1, 0], as: .int32)
        let (positions, ranges) = (device.allocate(.int32, count: 6), device.allocate(.int32, count: 12))
        device.run(AdvancePositions(lengths, by: 2, positions: positions, keyRanges: ranges))
        #expect(try positions.downloadIntegers() == [4, 5, -1, -1, 0, 1])
        #expect(try ranges.downloadIntegers() == [0, 5, 0, 6, 0, 0, 0, 0, 0, 1, 0, 2])
        #expect(try lengths.downloadIntegers() == [6, -1, 2])
    }

    @Test("Rows are written where their positions say, rounded to the cache's type, and nowhere else")
    func cache() throws {
        let device = Device.tested
        let (keys, values) = (
            device.slice([Float](repeating: -1, count: 2 * 3 * 2), as: .bfloat16), device.slice([Float](repeating: -2, count: 12), as: .bfloat16)
        )
        device.run(
            CacheWrite(
                key: device.slice([1, 2, 3, 4.001, 5, 6, 7, 8]), value: device.slice([10, 20, 30, 40, 50, 60, 70, 80]),
                positions: device.integers([2, 0, 1, 3], as: .int32), keyCache: keys, valueCache: values, sequences: 2, width: 2))
        #expect(try keys.downloadFloats() == [3, 4, -1, -1, 1, 2, -1, -1, 5, 6, -1, -1])
        #expect(try values.downloadFloats() == [30, 40, -2, -2, 10, 20, -2, -2, 50, 60, -2, -2])
    }

    @Test(
        "Caches of every type have the reference's bits on every level, for many tokens and few",
        arguments: [DType.float32, .float16, .bfloat16], [DType.float32, .bfloat16])
    func reference(cacheType: DType, dtype: DType) throws {
        for (sequences, tokens, capacity, width) in [(1, 1, 5, 128), (4, 1, 30, 66), (2, 300, 400, 48), (3, 2, 9000, 1)] {
            let device = Device.tested
            let count = sequences * tokens * width
            let positions = (0..<sequences * tokens).map { capacity - 1 - $0 % tokens - $0 / tokens }
            let (keys, values) = (
                device.output(cacheType, count: sequences * capacity * width), device.output(cacheType, count: sequences * capacity * width)
            )
            let kernel = CacheWrite(
                key: device.input(HostileFloats.mixture(count: count, seed: 1), as: dtype),
                value: device.input(HostileFloats.mixture(count: count, seed: 2), as: .float32), positions: device.integers(positions, as: .int32),
                keyCache: keys, valueCache: values, sequences: sequences, width: width)
            #expect(try deviationsFromReference(kernel, outputs: [KernelOutput("keys", keys), KernelOutput("values", values)]) == [])
        }
    }
}
