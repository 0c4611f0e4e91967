import BitsKernels
import BitsSystem
import Testing
import _BitsTestSupport

@Suite("Random numbers of kernels")
struct RandomTests {
    @Test(
        "Philox gives the words that its authors recorded",
        arguments: [
            ([0, 0, 0, 0], [0, 0], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            (
                [0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff], [0xffff_ffff, 0xffff_ffff],
                [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
            ),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
            ),
        ] as [([UInt32], [UInt32], [UInt32])])
    func philox(counter: [UInt32], key: [UInt32], words: [UInt32]) {
        #expect(RandomStream.philox(SIMD4(counter), key: SIMD2(key)) == SIMD4(words))
    }

    @Test("A stream's blocks are Philox of their number and the stream's, with the seed as key")
    func blocks() {
        let stream = RandomStream(seed: 0x299f_31d0_a409_3822, stream: 0x0370_7344_1319_8a2e, position: 0x85a3_08d3_243f_6a85)
        #expect(stream.block(3) == [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1])
    }

    /// Places where the number of a block carries into its upper word, or begins again.
    static let streams = [
        RandomStream(seed: 1), RandomStream(seed: .max, stream: 5 << 40 | 7, position: 1 << 32 - 3), RandomStream(seed: 9, position: .max - 1),
    ]

    @Test(
        "Random numbers have the reference's bits at every level, in every type, from every place",
        arguments: [RandomFill.Distribution.uniform(low: -3, high: 0.7), .normal(mean: 0.1, deviation: 1.7)], ElementwiseTests.floats)
    func fill(distribution: RandomFill.Distribution, dtype: DType) throws {
        for stream in Self.streams {
            for count in [0, 1, 3, 15, 16, 17, 255, 256, 257, 8191, 16_500] {
                let output = Device.tested.output(dtype, count: count)
                #expect(
                    try deviationsFromReference(RandomFill(distribution, from: stream, into: output), outputs: [KernelOutput("output", output)]) == []
                )
            }
        }
    }

    @Test("Dropout has the reference's bits at every level, also on hostile numbers", arguments: ElementwiseTests.floats, ElementwiseTests.floats)
    func dropout(from: DType, to: DType) throws {
        for (stream, rate) in zip(Self.streams, [0.1, 0.5, 0.999] as [Float]) {
            for count in [0, 1, 3, 15, 16, 17, 255, 256, 257, 8191, 16_500] {
                let input = Device.tested.input(HostileFloats.mixture(count: count, seed: 4), as: from)
                let output = Device.tested.output(to, count: count)
                let kernel = Dropout(input, rate: rate, from: stream, into: output)
                #expect(try deviationsFromReference(kernel, outputs: [KernelOutput("output", output)]) == [])
            }
        }
    }

    @Test("A draw is a function of its place: what comes after it, or how much, changes nothing")
    func places() throws {
        var stream = RandomStream(seed: 3)
        let (first, second) = (stream.draw(10), stream.draw(1))
        #expect(first.position == 0 && second.position == 3 && stream.position == 4)
        let (whole, part) = (Device.tested.output(.float32, count: 1000), Device.tested.output(.float32, count: 988))
        Device.tested.run(RandomFill(.normal(mean: 0, deviation: 1), from: first, into: whole))
        Device.tested.run(RandomFill(.normal(mean: 0, deviation: 1), from: second, into: part))
        #expect(try Array(whole.downloadFloats()[12...]) == part.downloadFloats())
    }

    @Test("Normal numbers are those of Box and Muller within 2e-6, at the ends of the words too")
    func accuracy() {
        let ends: [UInt32] = [0, 1, 2, 255, 1 << 29 - 1, 1 << 29, 1 << 30, 1 << 31 - 1, 1 << 31, 3 << 30, .max - 1, .max]
        var random = SplitMix(state: 1)
        let words = ends.flatMap { a in ends.map { (a, $0) } } + (0..<20_000).map { _ in (random.next(), random.next()) }
        for (a, b) in words {
            let found = RandomFill.Distribution.normal(mean: 0, deviation: 1).values(of: [a, b, b, a])
            let (x, y) = (exact(a, b), exact(b, a))
            for (value, wanted) in zip(found, [x.cosine, x.sine, y.cosine, y.sine]) { #expect(abs(Double(value) - wanted) < 2e-6) }
        }
    }

    private func exact(_ a: UInt32, _ b: UInt32) -> (cosine: Double, sine: Double) {
        let u = Float(0x1p-32).addingProduct(Float(a >> 1), 0x1p-31)
        let radius = (-2 * log(Double(u))).squareRoot()
        let angle = 2 * Double.pi * Double(b) * 0x1p-32
        return (radius * cos(angle), radius * sin(angle))
    }

    @Test("Dropout zeroes the share it is told to")
    func share() throws {
        let output = Device.tested.output(.float32, count: 100_000)
        Device.tested.run(Fill(1, into: output))
        Device.tested.run(Dropout(output, rate: 0.3, from: RandomStream(seed: 8), into: output))
        let values = try output.downloadFloats()
        #expect(Set(values) == [0, 1 / (1 - 0.3)])
        #expect(abs(values.count { $0 == 0 } - 30_000) < 600)  // four deviations
    }
}

extension SplitMix {
    fileprivate mutating func next() -> UInt32 { UInt32(truncatingIfNeeded: next() as UInt64) }
}
