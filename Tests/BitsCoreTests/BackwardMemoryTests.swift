import BitsCore
import BitsKernels
import Synchronization
import Testing
import _BitsTestSupport

@Suite("Memory of a backward pass")
struct BackwardMemoryTests {
    /// `count` operations on 1000 numbers, each of which keeps its input; `look` runs on the way back, once before each of them.
    private static func chain(_ parameter: Parameter, count: Int, look: @escaping @Sendable () -> Void = {}) -> Tensor {
        var x = parameter.tensor
        for _ in 0..<count {
            let result = x.sigmoid()
            x = result.detached().recorded(from: [result]) {
                look()
                return [$0]
            }
        }
        return x.sum()
    }

    /// What is held when the gradient of each operation is about to be computed, from the last to the first, and when all are through.
    private static func held(retainingGraph: Bool) -> [Int] {
        let meter = Meter()
        let parameter = Parameter(Tensor.ones([1000], device: meter.device))
        let held = Mutex<[Int]>([])
        let loss = chain(parameter, count: 8) { held.withLock { $0.append(meter.byteCount) } }
        loss.backward(retainingGraph: retainingGraph)
        return held.withLock { $0 } + [meter.byteCount]
    }

    @Test("What an operation kept is released as soon as its gradient has been computed")
    func falls() {
        let held = Self.held(retainingGraph: false)
        #expect(held.count == 9)
        // From the second on: the first still makes room for gradients.
        for (before, after) in zip(held[1..<7], held[2..<8]) { #expect(after <= before - 4000) }
        // The parameter, its gradient, the loss.
        #expect(held[8] == 4000 + 4000 + 4)
    }

    @Test("With the graph retained nothing is, and a second pass adds the same gradient again")
    func retains() throws {
        let held = Self.held(retainingGraph: true)
        #expect(held[8] >= 9 * 4000)
        let parameter = Parameter(Tensor([Float]([1, 2])))
        let loss = Self.chain(parameter, count: 3)
        loss.backward(retainingGraph: true)
        let once = try #require(parameter.gradient)
        loss.backward()
        #expect(try parameter.gradient?.floats() == (once + once).floats())
    }

    /// What norms, gates and dropout make of [rows, 64] is multiplied with a weight.
    private static let cheap: [(name: String, compute: @Sendable (Tensor) -> Tensor)] = [
        ("RMS norm", { $0.rmsNorm(weight: Tensor.ones([64], device: $0.device), epsilon: 1e-5) }),
        ("layer norm", { $0.layerNorm(weight: Tensor.ones([64], device: $0.device), bias: nil, epsilon: 1e-5) }),
        ("gate", { gated(.silu, gate: $0, up: $0) }),
        (
            "dropout of a norm",
            { x in
                var generator = RandomGenerator(seed: 5)
                return x.rmsNorm(weight: Tensor.ones([64], device: x.device), epsilon: 1e-5).dropout(0.25, using: &generator)
            }
        ),
    ]

    @Test("What costs little to compute again is not kept for the products that it goes into", arguments: cheap.indices)
    func computedAgain(index: Int) throws {
        let meter = Meter()
        let inputs = Parameter(Tensor((0..<4096).map { Float($0 % 37) / 16 - 1 }, shape: [64, 64], device: meter.device))
        let weights = (0..<2).map { first in
            Parameter(Tensor((0..<512).map { Float(($0 + first) % 11) - 5 }, shape: [8, 64], device: meter.device))
        }
        let compute = Self.cheap[index].compute
        func loss(_ middle: (Tensor) -> Tensor) -> Tensor {
            let x = middle(inputs.tensor)
            return weights.reduce(Tensor([Float]([0]), device: meter.device)) { $0 + x.linear($1.tensor).squared().sum() }
        }
        func gradients() throws -> [[Float]] { try ([inputs] + weights).map { try #require($0.gradient).floats() } }

        let before = meter.byteCount
        let sparing = loss(compute)
        // Of 64 rows a number or two for the norm, and the products with two weights and their squares.
        #expect(meter.byteCount - before < 64 * 64 * 4)
        sparing.backward()
        let expected = try gradients()
        for parameter in [inputs] + weights { parameter.gradient = nil }
        // A view is kept as it is.
        loss { compute($0).transposed(0, 1).contiguous().transposed(0, 1).contiguous() }.backward()
        #expect(try gradients() == expected)
    }

    @Test("A second pass over what the first released stops the process")
    func released() async {
        await #expect(processExitsWith: .failure) { BackwardMemoryTests.twoPasses(retainingGraph: false) }
        await #expect(processExitsWith: .success) { BackwardMemoryTests.twoPasses(retainingGraph: true) }
    }

    private static func twoPasses(retainingGraph: Bool) {
        let parameter = Parameter(Tensor([Float]([1, 2])))
        let shared = parameter.tensor.squared()
        shared.sum().backward(retainingGraph: retainingGraph)
        (shared * 2).sum().backward()
    }
}
