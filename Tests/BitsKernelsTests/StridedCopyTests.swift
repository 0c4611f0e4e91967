import BitsKernels
import Testing
import _BitsTestSupport

@Suite("Copies and fills")
struct StridedCopyTests {
    @Test("Every type is converted to every other as the reference does", arguments: DType.allCases, DType.allCases)
    func conversions(from: DType, to: DType) throws {
        let source = source(from)
        let count = source.count
        let destination = Device.tested.output(to, count: count)
        let kernel = StridedCopy(
            from: StridedSlice(contiguous: source, shape: [count]), to: StridedSlice(contiguous: destination, shape: [count]))
        #expect(try deviationsFromReference(kernel, outputs: [KernelOutput("destination", destination)]) == [])
    }

    @Test("More axes than kernels walk along are the caller's mistake, on every device")
    func axes() async {
        await #expect(processExitsWith: .failure) {
            let operand = StridedSlice(contiguous: Device.cpu.upload([Float(1)], as: .float32), shape: [Int](repeating: 1, count: 7))
            _ = StridedCopy(from: operand, to: operand)
        }
        await #expect(processExitsWith: .failure) {
            let operand = StridedSlice(contiguous: Device.cpu.upload([Float(1)], as: .float32), shape: [Int](repeating: 1, count: 7))
            _ = BinaryElementwise(.add, operand, operand, into: operand.slice)
        }
    }

    @Test("A copy of the same type keeps every bit, NaNs too")
    func sameType() throws {
        let bits = (0..<70_000).map { UInt16(truncatingIfNeeded: $0) }
        for dtype in [DType.float16, .bfloat16] {
            let source = Device.tested.upload(bits, as: dtype)
            let destination = Device.tested.allocate(dtype, count: bits.count)
            Device.tested.run(
                StridedCopy(
                    from: StridedSlice(contiguous: source, shape: [bits.count]), to: StridedSlice(contiguous: destination, shape: [bits.count])))
            #expect(try destination.download(as: UInt16.self) == bits)
        }
    }

    @Test(
        "Axes may be permuted, repeated, skipped or cut out on either side",
        arguments: [
            (DType.float32, DType.float32), (.float32, .bfloat16), (.bfloat16, .float16), (.int64, .int32), (.uint8, .uint8), (.int8, .float32),
        ])
    func strides(from: DType, to: DType) throws {
        // (shape, source strides, destination strides)
        let layouts: [([Int], [Int], [Int])] = [
            ([], [], []), ([1], [7], [9]), ([0, 4], [4, 1], [4, 1]), ([5], [0], [1]), ([100], [3], [2]), ([70, 41], [1, 70], [41, 1]),
            ([2, 7, 3, 32], [672, 32, 224, 1], [672, 96, 32, 1]), ([2, 3, 7, 32], [672, 32, 96, 1], [672, 224, 32, 1]),
            ([4, 33, 65], [2145, 1, 33], [2145, 65, 1]), ([33, 65], [65, 1], [1, 33]),
            ([3, 4, 5, 2, 3, 2], [1, 3, 12, 60, 120, 360], [240, 60, 12, 6, 2, 1]),
            ([6, 10], [0, 1], [10, 1]), ([6, 10], [1, 0], [10, 1]), ([5, 8], [16, 2], [20, 1]), ([300, 50], [50, 1], [64, 1]), ([40_000], [2], [1]),
        ]
        let source = source(from)
        for (shape, sourceStrides, destinationStrides) in layouts {
            let last = zip(shape, destinationStrides).reduce(0) { $0 + max($1.0 - 1, 0) * $1.1 }
            let destination = Device.tested.input((0...last).map { Float($0 % 2) }, as: to)
            let kernel = StridedCopy(
                from: StridedSlice(source, shape: shape, strides: sourceStrides),
                to: StridedSlice(destination, shape: shape, strides: destinationStrides))
            #expect(try deviationsFromReference(kernel, outputs: [KernelOutput("destination", destination)]) == [], "\(shape)")
        }
    }

    @Test("A value fills every type with its rounding", arguments: DType.allCases)
    func fill(dtype: DType) throws {
        for value in [Float(0), 1, -1, 0.3, 1e10, -1e30, 65519, .infinity, .nan] {
            for count in [0, 1, 37, 50_000] {
                let destination = Device.tested.output(dtype, count: count)
                #expect(try deviationsFromReference(Fill(value, into: destination), outputs: [KernelOutput("destination", destination)]) == [])
            }
        }
    }

    /// 80,000 elements of a type, hostile ones first.
    private func source(_ dtype: DType) -> Slice {
        let count = 80_000
        guard !dtype.isFloatingPoint else {
            let values = HostileFloats.special.filter { !$0.isSignalingNaN } + [300, -300, 3e9, -3e9, 1e19, -1e19, 0.5, -0.5, 2.5, 0.99999994]
            return Device.tested.input(values + HostileFloats.mixture(count: count - values.count, seed: 1), as: dtype)
        }
        var random = SplitMix(state: 2)
        let values = [0, 1, -1, 127, -128, 128, 255, 256, Int(Int32.max), Int(Int32.min), 1 << 24 + 1, .max, .min]
        return Device.tested.integers(values + (0..<count - values.count).map { _ in Int(Int64(bitPattern: random.next() >> 20)) }, as: dtype)
    }
}
