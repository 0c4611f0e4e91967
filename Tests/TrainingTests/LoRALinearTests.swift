import BitsCore
import BitsNN
import BitsQuant
import BitsTune
import Testing
import _BitsTestSupport

@Suite("Layers with a low-rank update")
struct LoRALinearTests {
    @Test("The update's products round their operands as the policy has all products do, the factors stay", arguments: [DType.bfloat16, .float16])
    func policy(products: DType) throws {
        let fine: Float = 1 + 0x1p-13
        let layer = LoRALinear(
            base: Linear(weight: Parameter(.zeros([1, 1]))), down: Parameter(Tensor([fine], shape: [1, 1])), up: Parameter(.ones([1, 1])), scale: 1)
        #expect(try layer(.ones([1, 1])).item() == fine)
        layer.apply(ComputePolicy(products: products))
        #expect(try layer(.ones([1, 1])).item() == 1)
        #expect(try layer.down.value.item() == fine)
        layer.apply(.float32)
        #expect(try layer(.ones([1, 1])).item() == fine)
    }

    @Test(
        "A 4-bit layer takes the update into its products, which gives what the two give one after the other, forward and back",
        arguments: [(DType.float32, 5), (.bfloat16, 5), (.float32, 150), (.bfloat16, 150), (.float16, 150)])
    func updatedWeight(dtype: DType, rows: Int) throws {
        let (k, n, rank) = (64, 40, 3)
        var random = RandomGenerator(seed: 7)
        let weight = Tensor.normal([n, k], using: &random)
        let base = try Linear4bit(Linear(weight: Parameter(weight), bias: Parameter(.ones([n]), isTrainable: false)))
        let (a, b) = (Tensor.normal([rank, k], using: &random), Tensor.normal([n, rank], using: &random))
        let x = Parameter(Tensor.normal([rows, k], using: &random).cast(to: dtype))
        let slopes = Tensor.normal([rows, n], using: &random)
        func results(_ base: any LinearLayer) throws -> [[Float]] {
            let (down, up) = (Parameter(a), Parameter(b))
            let layer = LoRALinear(base: base, down: down, up: up, scale: 0.5)
            layer.computeDType = nil
            x.gradient = nil
            let y = layer(x.tensor)
            (y.cast(to: .float32) * slopes).sum().backward()
            return try [y, x.gradient, down.gradient, up.gradient].map { try $0?.floats() ?? [] }
        }
        let (together, apart) = (try results(base), try results(Apart(base)))
        let limit: Float = dtype == .float32 ? 1e-5 : dtype == .float16 ? 2e-3 : 1.6e-2
        for (found, expected) in zip(together, apart) {
            #expect(found.count == expected.count && !found.isEmpty)
            let size = expected.map { $0 * $0 }.reduce(0, +).squareRoot()
            let distance = zip(found, expected).map { ($0 - $1) * ($0 - $1) }.reduce(0, +).squareRoot()
            #expect(distance <= limit * size, "\(distance / size)")
        }
    }

    @Test(
        "In a block that is computed again gradients are the same bits, and a product that ends the block is not computed again",
        arguments: [true, false])
    func recomputed(endsBlock: Bool) throws {
        let (meter, k, n, rank, rows) = (Meter(), 64, 40, 3, 150)
        func gradients(_ run: (@escaping () -> Tensor) -> Tensor) throws -> [[Float]] {
            var random = RandomGenerator(seed: 7)
            func normal(_ shape: [Int]) -> Parameter { Parameter(.normal(shape, using: &random, dtype: .bfloat16, device: meter.device)) }
            let (weight, down, up, x) = (normal([n, k]), normal([rank, k]), normal([n, rank]), normal([rows, k]))
            let layer = LoRALinear(base: try Linear4bit(Linear(weight: weight)), down: down, up: up, scale: 0.5)
            layer.computeDType = nil
            run {
                let y = layer(x.tensor.activated(.silu))
                return endsBlock ? y : y.squared()
            }.sum().backward()
            return try [x, down, up].map { try #require($0.gradient).floats() }
        }
        let plain = try gradients { $0() }
        let before = meter.runs(of: "four_bit_linear")
        #expect(try gradients(checkpointed) == plain)
        #expect(meter.runs(of: "four_bit_linear") == before + (endsBlock ? 1 : 2))
    }
}

/// A layer that knows nothing of updates.
private final class Apart: Module, LinearLayer {
    private let layer: Linear4bit

    init(_ layer: Linear4bit) {
        self.layer = layer
        super.init()
    }

    var inFeatures: Int { layer.inFeatures }
    var outFeatures: Int { layer.outFeatures }
    var bias: Parameter? { layer.bias }
    func callAsFunction(_ x: Tensor) -> Tensor { layer(x) }
    func weightMatrix(_ dtype: DType?) -> Tensor { layer.weightMatrix(dtype) }
}
