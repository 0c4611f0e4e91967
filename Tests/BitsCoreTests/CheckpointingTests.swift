import BitsCore
import BitsKernels
import Testing
import _BitsTestSupport

/// `x + dropout(silu(norm(x) · upᵀ)) · downᵀ`, which draws from a generator of its own.
private final class Block {
    let norm: Parameter
    let up: Parameter
    let down: Parameter
    var generator: RandomGenerator
    var runs = 0

    init(width: Int = 8, seed: UInt64, device: Device = .cpu) {
        generator = RandomGenerator(seed: seed)
        norm = Parameter(.ones([width], device: device))
        up = Parameter(.normal([2 * width, width], using: &generator, device: device))
        down = Parameter(.normal([width, 2 * width], using: &generator, device: device))
    }

    var parameters: [Parameter] { [norm, up, down] }

    func callAsFunction(_ x: Tensor) -> Tensor {
        runs += 1
        let inner = x.rmsNorm(weight: norm.tensor, epsilon: 1e-6).linear(up.tensor).activated(.silu)
        return x + inner.dropout(0.5, using: &generator).linear(down.tensor)
    }
}

/// How a stack of blocks may be checkpointed.
private enum Nesting: CaseIterable {
    case none, each, nested

    func run(_ blocks: [Block], _ x: Tensor) -> Tensor {
        switch self {
        case .none: blocks.reduce(x) { x, block in block(x) }
        case .each: blocks.reduce(x) { x, block in checkpointed { block(x) } }
        case .nested:
            checkpointed {
                let x = Nesting.each.run(Array(blocks.dropLast()), x)
                return checkpointed { blocks[blocks.count - 1](x) }
            }
        }
    }
}

@Suite("Checkpointed blocks")
struct CheckpointingTests {
    /// The gradients of all parameters and of the input after two passes, and what the blocks draw next.
    private static func gradients(_ nesting: Nesting, dtype: DType = .float32) throws -> [[Float]] {
        let blocks = (0..<4).map { Block(seed: UInt64($0)) }
        var generator = RandomGenerator(seed: 9)
        let input = Parameter(.normal([5, 8], using: &generator))
        for block in blocks { for parameter in block.parameters { parameter.value = parameter.value.cast(to: dtype) } }
        for _ in 0..<2 { nesting.run(blocks, input.tensor.cast(to: dtype)).squared().sum().backward() }
        var found = try (blocks.flatMap(\.parameters) + [input]).map { try #require($0.gradient).floats() }
        for block in blocks { found.append([block.generator.uniform()]) }
        return found
    }

    @Test(
        "Gradients are bit for bit those without, with dropout, pass after pass",
        arguments: [Nesting.each, .nested], [DType.float32, .bfloat16])
    fileprivate func sameBits(nesting: Nesting, dtype: DType) throws {
        let plain = try Self.gradients(.none, dtype: dtype)
        #expect(plain.dropLast(4).allSatisfy { $0.contains { $0 != 0 } })
        #expect(try Self.gradients(nesting, dtype: dtype) == plain)
    }

    @Test("A block runs again once for each level at which it is checkpointed")
    func runs() {
        for (nesting, runs) in zip(Nesting.allCases, [1, 2, 3]) {
            let blocks = (0..<3).map { Block(seed: UInt64($0)) }
            nesting.run(blocks, Tensor.ones([2, 8])).sum().backward()
            #expect(blocks.map(\.runs) == [runs, runs, runs])
        }
    }

    @Test("What a block ends with is not computed again: nobody asks for its last product and sum")
    func end() {
        func runs(_ nesting: Nesting) -> [Int] {
            let meter = Meter()
            let block = Block(seed: 1, device: meter.device)
            nesting.run([block], Tensor.ones([2, 8], device: meter.device)).sum().backward()
            return ["matrix_product", "binary", "dropout"].map { meter.runs(of: $0) }
        }
        let plain = runs(.none)
        // Once more the product that the activation is computed from, and the dropout before the last product.
        #expect(runs(.each) == [plain[0] + 1, plain[1], plain[2] + 1])
    }

    @Test("Elements that are put off are computed once, for all who ask, and nothing that led to them is held")
    func late() throws {
        let meter = Meter()
        let parameter = Parameter(.ones([1000], device: meter.device))
        var held: [Int] = []
        checkpointed {
            var sum = parameter.tensor + parameter.tensor
            let before = meter.byteCount
            sum = sum + sum
            held.append(meter.byteCount - before)
            let squares = [sum.squared(), sum.squared()]
            held.append(meter.byteCount - before)
            return squares[0] + squares[1]
        }.sum().backward()
        // The first time a sum replaces what it was made of. The second time it is there with both squares, and its own operands are not.
        #expect(held == [0, 8000, 0, 12000])
        #expect(try #require(parameter.gradient).floats() == [Float](repeating: 64, count: 1000))
        #expect(meter.runs(of: "binary") == 3 + 2)
    }

    @Test("Tensors from outside that a block uses get their gradients, also through several blocks")
    func outside() throws {
        func gradients(_ run: (@escaping () -> Tensor) -> Tensor) throws -> [[Float]] {
            let (p, q) = (Parameter(Tensor([Float]([1, 2]))), Parameter(Tensor([Float]([3, 5]))))
            let shared = q.tensor.squared()
            let x = run { p.tensor * shared }
            let y = run { x * shared + q.tensor }
            (y + shared).sum().backward()
            return [try #require(p.gradient).floats(), try #require(q.gradient).floats()]
        }
        #expect(try gradients(checkpointed) == gradients { $0() })
    }

    @Test("Where nothing is differentiated, a block runs once and keeps no way back")
    func nothingTrainable() {
        let block = Block(seed: 1)
        #expect(!noGradient { checkpointed { block(Tensor.ones([2, 8])) } }.carriesGradient)
        for parameter in block.parameters { parameter.isTrainable = false }
        let result = checkpointed { block(Tensor.ones([2, 8])) }
        #expect(!result.carriesGradient)
        result.sum().backward()
        #expect(block.runs == 2)
    }

    @Test("A block that hands something on as it is, or uses nothing that is asked for, is walked back rightly")
    func passingThrough() throws {
        let p = Parameter(Tensor([Float]([1, 2])))
        let x = p.tensor * 3
        let y = checkpointed {
            _ = x * x
            return x
        }
        y.backward()
        #expect(try p.gradient?.floats() == [3, 3])
        let apart = checkpointed {
            _ = p.tensor * 2
            return Tensor([Float]([1, 2]))
        }
        apart.backward()
        #expect(try p.gradient?.floats() == [3, 3])
    }

    @Test("A graph that is retained is computed again in each pass")
    func retained() throws {
        let block = Block(seed: 1)
        let loss = checkpointed { block(Tensor.ones([2, 8])) }.sum()
        loss.backward(retainingGraph: true)
        let once = try #require(block.up.gradient).floats()
        loss.backward()
        #expect(block.runs == 3)
        #expect(try #require(block.up.gradient).floats() == once.map { $0 * 2 })
    }

    @Test("Long chains of blocks are walked back, and freed, without deep recursion")
    func longChain() throws {
        let p = Parameter(Tensor([Float]([1])))
        func chain() -> Tensor { (0..<100_000).reduce(p.tensor) { x, _ in checkpointed { x + 1 } } }
        chain().backward()
        #expect(try p.gradient?.item() == 1)
        _ = chain()
    }

    @Test("A long chain inside of a block is computed again, and freed, without deep recursion")
    func longBlock() throws {
        let p = Parameter(Tensor([Float]([1])))
        checkpointed { (0..<100_000).reduce(p.tensor) { x, _ in x + p.tensor } }.backward()
        #expect(try p.gradient?.item() == 100_001)
    }

    @Test("A step through twelve blocks holds the inputs of twelve and the inside of one")
    func peak() {
        let (rows, width) = (64, 32)
        func peak(_ count: Int, _ nesting: Nesting) -> Int {
            let meter = Meter()
            let blocks = (0..<count).map { Block(width: width, seed: UInt64($0), device: meter.device) }
            for parameter in blocks.flatMap(\.parameters) { parameter.isTrainable = parameter.shape.count == 1 }
            let x = Tensor.ones([rows, width], device: meter.device)
            return meter.peak { nesting.run(blocks, x).squared().sum().backward() }
        }
        let (one, input, gradients) = (peak(1, .none), rows * width * 4, 12 * width * 4)
        #expect(peak(12, .each) <= one + 12 * input + gradients)
        #expect(peak(12, .none) > 8 * one)
    }
}
