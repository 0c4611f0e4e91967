import BitsCore
import BitsKernels
import BitsSystem
import FoundationEssentials
import Testing
import _BitsTestSupport

@Suite("Tensors")
struct TensorTests {
    let x = Tensor((0..<24).map { Float($0) }, shape: [2, 3, 4])

    @Test("Operands broadcast from the last dimension on")
    func broadcasting() throws {
        let column = Tensor([Float]([1, 2]), shape: [2, 1])
        let row = Tensor([Float]([10, 20, 30]))
        let sum = column + row
        #expect(sum.shape == [2, 3])
        #expect(try sum.floats() == [11, 21, 31, 12, 22, 32])
        #expect(try (Tensor.full(2, shape: []) * row).floats() == [20, 40, 60])
        #expect((Tensor.zeros([4, 1, 2]) + Tensor.zeros([3, 1])).shape == [4, 3, 2])
        #expect((Tensor.zeros([0, 3]) + Tensor.zeros([1, 3])).shape == [0, 3])
        #expect(try row.broadcast(to: [2, 3]).floats() == [10, 20, 30, 10, 20, 30])
    }

    @Test("Results have the wider type, or the type that both have")
    func types() {
        let (single, brain, half) = (Tensor.ones([1]), Tensor.ones([1], dtype: .bfloat16), Tensor.ones([1], dtype: .float16))
        #expect((single + brain).dtype == .float32)
        #expect((brain * brain).dtype == .bfloat16)
        #expect((brain / half).dtype == .float32)
        #expect((half - half).dtype == .float16)
    }

    @Test("Reshaping, transposing, narrowing and broadcasting share memory; only what has to be copied is")
    func views() throws {
        let row = x.narrowed(axis: 1, to: 1..<2)
        for view in [
            x.reshaped(6, -1), x.transposed(), row, x.narrowed(axis: 0, to: 1..<2).reshaped(12), row.broadcast(to: [2, 5, 4]), x.detached(),
        ] {
            #expect(view.slice.buffer === x.slice.buffer)
        }
        #expect(x.transposed().contiguous().slice.buffer !== x.slice.buffer)
        #expect(x.transposed().transposed().contiguous().slice.buffer === x.slice.buffer)
        #expect(x.transposed().reshaped(-1).slice.buffer !== x.slice.buffer)
    }

    @Test("Views show the right elements, also on top of one another")
    func viewContents() throws {
        #expect(try x.transposed().floats() == [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11, 12, 16, 20, 13, 17, 21, 14, 18, 22, 15, 19, 23])
        #expect(try x.narrowed(axis: 2, to: 1..<3).floats() == [1, 2, 5, 6, 9, 10, 13, 14, 17, 18, 21, 22])
        #expect(try x.narrowed(axis: 2, to: 1..<3).transposed(0, 2).narrowed(axis: 1, to: 2..<3).floats() == [9, 21, 10, 22])
        #expect(try x.narrowed(axis: 0, to: 1..<2).narrowed(axis: 1, to: 2..<3).reshaped(-1).floats() == [20, 21, 22, 23])
        #expect(try x.narrowed(axis: 1, to: 3..<3).floats() == [])
        #expect(try (x.narrowed(axis: 0, to: 0..<1).transposed() + 1).floats() == [1, 5, 9, 2, 6, 10, 3, 7, 11, 4, 8, 12])
    }

    @Test("Concatenation puts parts one after the other along any axis")
    func concatenation() throws {
        let (a, b) = (Tensor([Float]([1, 2, 3, 4]), shape: [2, 2]), Tensor([Float]([5, 6]), shape: [2, 1]))
        let joined = Tensor.concatenated([a, b], axis: 1)
        #expect(joined.shape == [2, 3])
        #expect(try joined.floats() == [1, 2, 5, 3, 4, 6])
        #expect(try Tensor.concatenated([a.transposed(), b.transposed(), Tensor.zeros([0, 2])]).floats() == [1, 3, 2, 4, 5, 6])
    }

    @Test("Reductions")
    func reductions() throws {
        #expect(try x.sum(axis: 1).floats() == [12, 15, 18, 21, 48, 51, 54, 57])
        #expect(x.mean(axis: -1, keepingAxis: true).shape == [2, 3, 1])
        #expect(try x.mean(axis: -1).floats() == [1.5, 5.5, 9.5, 13.5, 17.5, 21.5])
        #expect(try x.sum().item() == 276)
        #expect(try x.mean().item() == 11.5)
        #expect(try x.maximum(axis: 0).floats() == Array(12..<24).map { Float($0) })
        #expect(try Tensor([Float]([3, 4])).sumOfSquares().item() == 25)
        #expect(try Tensor([Float]([1, 5, 5, 7, 2, 7]), shape: [2, 3]).argMax().integers() == [1, 0])
    }

    @Test("Dropout zeroes the share it is told to, and scales the rest so that the mean stays")
    func dropout() throws {
        var random = RandomGenerator(seed: 1)
        let found = try Tensor.ones([10_000]).dropout(0.2, using: &random).floats()
        #expect(Set(found) == [0, 1 / (1 - 0.2)])
        #expect(abs(found.filter { $0 == 0 }.count - 2000) < 200)
        let before = random
        #expect(try x.dropout(0, using: &random).floats() == x.floats())
        #expect(random == before)
    }

    @Test("Numbers are rounded once, to nearest even, where they are stored")
    func rounding() throws {
        #expect(try Tensor([Float]([1 + 0x1p-8, 1 + 0x1.8p-7]), dtype: .bfloat16).floats() == [1, 1 + 0x1p-6])
        #expect(try Tensor([Float]([1 + 0x1p-11, 70000]), dtype: .float16).floats() == [1, .infinity])
        #expect(try Tensor([Float]([1.5])).cast(to: .bfloat16).bytes() == [0xc0, 0x3f])
    }

    @Test("A tensor moves to another device and back, bit for bit, from a view as well")
    func moving() throws {
        let device = Device.deferred()
        let moved = try x.transposed().moved(to: device)
        #expect(moved.device == device)
        #expect(try moved.floats() == x.transposed().floats())
        #expect(try moved.moved(to: .cpu).bytes() == x.transposed().bytes())
        #expect(try x.moved(to: .cpu).slice.buffer === x.slice.buffer)
        let narrow = Tensor([Float]([1, 2, 3]), dtype: .bfloat16)
        #expect(try narrow.moved(to: device).floats() == [1, 2, 3])
    }

    @Test("What is read late is what the tensor held, whatever happens to its memory", arguments: [Device.cpu, .deferred()])
    func readingLater(device: Device) throws {
        let parameter = Parameter(Tensor([Float]([1, 2, 3, 4]), shape: [2, 2], device: device))
        let (all, sum) = (parameter.value.transposed().readLater(), parameter.value.sum().readLater())
        Parameter.changeElements(of: [parameter]) { device.run(Fill(0, into: $0[0])) }
        #expect(try all.floats() == [1, 3, 2, 4])
        #expect(try sum.item() == 10)
        #expect(try parameter.value.floats() == [0, 0, 0, 0])
        #expect(try Tensor([-3, 70_000] as [Int32], device: device).readLater().integers() == [-3, 70_000])
    }

    @Test("A tensor of any number of dimensions can be converted")
    func manyDimensions() throws {
        let x = Tensor((0..<256).map { Float($0) }, shape: [2, 2, 2, 2, 2, 2, 2, 2])
        let converted = x.cast(to: .bfloat16)
        #expect(converted.shape == x.shape)
        #expect(try converted.floats() == x.floats())
    }

    @Test("A low-rank update leaves a tensor that is kept elsewhere as it is")
    func lowRankUpdate() throws {
        let kept = Tensor.ones([2, 3])
        let (x, down, up) = (Tensor.ones([2, 4]), Tensor.ones([1, 4]), Tensor.ones([3, 1]))
        #expect(try kept.addingLowRank(of: x, down: down, up: up, scale: 0.5).floats() == [Float](repeating: 3, count: 6))
        #expect(try kept.floats() == [Float](repeating: 1, count: 6))
    }
}

@Suite("Random numbers")
struct RandomGeneratorTests {
    @Test("A seed's numbers are these, today and ever after")
    func fixedValues() {
        var random = RandomGenerator(seed: 0)
        // The first two words of blocks 0, 1, 2, 3; the first as Random123 recorded it.
        let expected: [UInt64] = [0xe169_c58d_6627_e8d5, 0x5cb2_00db_f8e4_cca4, 0x51c7_32a6_04fa_a329, 0x6a44_74a6_c990_ef29]
        #expect((0..<4).map { _ in random.next() } == expected)
        var other = RandomGenerator(seed: 3 << 32 | 7, stream: 1 << 32 | 5)
        #expect(other.next() == 0x40cc_0f4d_d223_4d57)
    }

    @Test("Streams of a seed have nothing in common, and know nothing of one another")
    func streams() throws {
        var random = RandomGenerator(seed: 4)
        var (first, second) = (random.stream(1), random.stream(2))
        let draws = (random.next(), first.next(), second.next())
        #expect(draws.0 != draws.1 && draws.1 != draws.2 && draws.0 != draws.2)
        var again = random.stream(1)
        #expect(again.next() == draws.1)
        #expect(again == first && RandomGenerator(seed: 4) == random.stream(0))
    }

    @Test("A generator goes on where it was after it is saved and read")
    func saving() throws {
        var random = RandomGenerator(seed: .max, stream: 9)
        _ = Tensor.normal([5], using: &random)
        var read = try JSONDecoder().decode(RandomGenerator.self, from: JSONEncoder().encode(random))
        #expect(read == random && read.next() == random.next())
    }

    @Test("A tensor takes a quarter of its elements in blocks, and its first element is what a single draw would be")
    func places() throws {
        let start = RandomGenerator(seed: 6)
        var (tensor, single) = (start, start)
        let drawn = try Tensor.normal([9], using: &tensor).floats()
        #expect(single.normal() == drawn[0])
        _ = (single.next(), single.uniform())
        #expect(single == tensor)
    }

    @Test("Every device draws the same numbers and drops the same elements, forward and back")
    func devices() throws {
        func drawn(_ device: Device) throws -> [[Float]] {
            var random = RandomGenerator(seed: 5)
            let x = Parameter(Tensor.normal([3, 41], using: &random, dtype: .bfloat16, device: device))
            let y = x.tensor.dropout(0.4, using: &random)
            #expect(y.dtype == .bfloat16)
            y.backward(from: Tensor.uniform([3, 41], in: 1...2, using: &random, dtype: .bfloat16, device: device))
            return [try x.value.floats(), try y.floats(), try #require(x.gradient).floats()]
        }
        let found = try drawn(.cpu)
        #expect(try drawn(.deferred()) == found)
        #expect(zip(found[1], found[2]).allSatisfy { ($0 == 0) == ($1 == 0) })
        #expect(found[1].contains(0))
    }

    @Test("The same seed gives the same tensor, another seed another one")
    func seeds() throws {
        func draw(_ seed: UInt64) throws -> [Float] {
            var random = RandomGenerator(seed: seed)
            return try Tensor.normal([100], using: &random).floats()
        }
        #expect(try draw(7) == draw(7))
        #expect(try draw(7) != draw(8))
    }

    @Test("Draws have the moments of their distribution")
    func moments() throws {
        var random = RandomGenerator(seed: 3)
        let normal = try Tensor.normal([20_000], mean: 2, standardDeviation: 3, using: &random).floats().map { Double($0) }
        let mean = normal.reduce(0, +) / 20_000
        let variance = normal.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 20_000
        #expect(abs(mean - 2) < 0.1 && abs(variance - 9) < 0.4)
        let uniform = try Tensor.uniform([20_000], in: -1...3, using: &random).floats()
        #expect(uniform.allSatisfy { $0 >= -1 && $0 < 3 })
        #expect(abs(uniform.map { Double($0) }.reduce(0, +) / 20_000 - 1) < 0.05)
    }

    @Test("A copy goes on where the original is")
    func copies() {
        var random = RandomGenerator(seed: 1)
        _ = random.normal()
        var copy = random
        #expect(copy == random)
        #expect(copy.normal() == random.normal())
        _ = copy.next()
        #expect(copy != random)
    }
}

@Suite("Mistakes with tensors stop the process")
struct TensorMistakeTests {
    @Test("Shapes that do not fit")
    func shapes() async {
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([2, 3]) + Tensor.zeros([2]) }
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([2, 3]).matrixProduct(Tensor.zeros([2, 3])) }
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([2, 3]).linear(Tensor.zeros([3, 2])) }
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([2, 3]).reshaped(4, -1) }
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([2, 3]).reshaped(7) }
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([2, 3]).broadcast(to: [3, 3]) }
        await #expect(processExitsWith: .failure) { _ = Tensor.concatenated([Tensor.zeros([2, 3]), Tensor.zeros([2, 2])]) }
        await #expect(processExitsWith: .failure) { _ = Tensor([Float]([1, 2, 3]), shape: [2, 2]) }
        await #expect(processExitsWith: .failure) { Tensor.zeros([2]).backward(from: Tensor.zeros([3])) }
        await #expect(processExitsWith: .failure) { Parameter(Tensor.zeros([2])).gradient = Tensor.zeros([3]) }
    }

    @Test("Places that are not there")
    func places() async {
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([2, 3]).sum(axis: 2) }
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([2, 3]).transposed(0, -3) }
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([2, 3]).narrowed(axis: 0, to: 1..<3) }
        await #expect(processExitsWith: .failure) { _ = try Tensor.zeros([2]).item() }
    }

    @Test("Operands that do not belong together")
    func operands() async {
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([2]) + Tensor.zeros([2], device: .deferred()) }
        await #expect(processExitsWith: .failure) { _ = Tensor.zeros([2, 2]).rows(Tensor.zeros([1])) }
    }

    @Test("Operands on two devices end the program with a message, before an address of one is followed on the other")
    func devices() async {
        let result = await #expect(processExitsWith: .failure) { _ = Tensor.zeros([2, 3]).linear(Tensor.zeros([4, 3], device: .deferred())) }
        #expect(result?.exitStatus != .signal(SIGSEGV) && result?.exitStatus != .signal(SIGBUS))
    }
}
