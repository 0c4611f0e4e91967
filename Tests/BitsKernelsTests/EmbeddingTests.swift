import BitsKernels
import Testing
import _BitsTestSupport

@Suite("Embedding tables")
struct EmbeddingTests {
    static let floats: [DType] = [.float32, .float16, .bfloat16]

    @Test("Rows are gathered and converted; an index outside the table gives zeros", arguments: floats, floats)
    func gather(table: DType, output: DType) throws {
        for (vocabulary, width, count) in [(1, 1, 1), (10, 7, 40), (100, 256, 700), (5, 33, 0), (3, 40_000, 4)] {
            for indices in [DType.int32, .int64] {
                let result = Device.tested.output(output, count: count * width)
                let kernel = EmbeddingGather(
                    table: Device.tested.input(HostileFloats.ordinary(count: vocabulary * width, seed: 1), as: table), width: width,
                    indices: Device.tested.integers(positions(count, vocabulary), as: indices), into: result)
                #expect(try deviationsFromReference(kernel, outputs: [KernelOutput("output", result)]) == [])
            }
        }
    }

    @Test("Gradients are added in the order of the indices, to the bit, with one rounding of a 16-bit table", arguments: floats, floats)
    func scatterAdd(gradient: DType, table: DType) throws {
        for (vocabulary, width, count) in [(1, 1, 1), (10, 7, 40), (50, 256, 700), (5, 33, 0), (3, 1000, 50)] {
            for indices in [DType.int32, .int64] {
                let result = Device.tested.input(HostileFloats.ordinary(count: vocabulary * width, seed: 2), as: table)
                let kernel = EmbeddingScatterAdd(
                    Device.tested.input(HostileFloats.ordinary(count: count * width, seed: 3), as: gradient), width: width,
                    indices: Device.tested.integers(positions(count, vocabulary), as: indices), into: result)
                #expect(try deviationsFromReference(kernel, outputs: [KernelOutput("table gradient", result)]) == [])
            }
        }
    }

    private func positions(_ count: Int, _ vocabulary: Int) -> [Int] {
        var random = SplitMix(state: 4)
        return (0..<count).map { $0 == 2 ? -1 : $0 == 3 ? vocabulary : Int(random.next() % UInt64(vocabulary)) }
    }
}
