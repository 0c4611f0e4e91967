import BitsCore
import BitsModels
import BitsNN
import BitsQuant
import BitsTune
import Testing
import _BitsTestSupport

// Shapes: N = output width, K = input width, R = rank.

/// Layers with updates of every kind, beside the formulas that they stand for.
@Suite("Kinds of low-rank updates")
struct LoRAKindTests {
    private var generator = RandomGenerator(seed: 3)

    private mutating func normal(_ shape: [Int], _ deviation: Float = 0.3) -> Tensor {
        .normal(shape, standardDeviation: deviation, using: &generator)
    }

    /// A layer from 64 to 32 with a bias, in full or quantized.
    private mutating func base(_ form: Quantization?) throws -> any LinearLayer {
        let linear = Linear(weight: Parameter(normal([32, 64])), bias: Parameter(normal([32])))
        return try form?.layer(linear) ?? linear
    }

    /// A decomposed layer of rank 4 around `base`.
    private mutating func decomposed(_ base: any LinearLayer, dropout: Float = 0) -> LoRALinear {
        LoRALinear(
            base: base, down: Parameter(normal([4, 64])), up: Parameter(normal([32, 4])), magnitude: Parameter(normal([32]) + 3), scale: 0.5,
            dropout: dropout)
    }

    /// m / ‖W + scale · B · A‖ of each row, [N].
    private func factor(_ layer: LoRALinear) throws -> Tensor {
        let weight = layer.base.weightMatrix(.float32) + layer.up.value.matrixProduct(layer.down.value) * layer.scale
        return try #require(layer.magnitude).value / weight.squared().sum(axis: 1).squareRoot()
    }

    @Test(
        "DoRA computes with rows of the trained norms, on a base in full, in 4 and in 8 bits",
        arguments: [nil, .fourBit(.nf4), .int8()] as [Quantization?])
    mutating func decomposition(form: Quantization?) throws {
        let layer = decomposed(try base(form))
        let x = normal([5, 64])
        let expected = x.linear(layer.weightMatrix(.float32)) + layer.base.bias!.value
        // int8 rounds the input, too.
        #expect(try distance(layer(x), expected) < (form?.formatName == "int8" ? 2e-2 : 1e-5))
        let norms = layer.weightMatrix(.float32).squared().sum(axis: 1).squareRoot()
        #expect(try distance(norms, layer.magnitude!.value.absoluteValue()) < 1e-5)
    }

    @Test("With dropout DoRA drops the input of the update and of the rows' new norms, not that of the base")
    mutating func decompositionWithDropout() throws {
        let layer = decomposed(try base(nil), dropout: 0.5)
        let x = normal([5, 64])
        layer.dropoutSource = RandomGenerator(seed: 9)
        var source = RandomGenerator(seed: 9)
        let dropped = x.dropout(0.5, using: &source)
        let weight = layer.base.weightMatrix(.float32)
        let update = dropped.linear(layer.down.value).linear(layer.up.value) * layer.scale
        let factor = try factor(layer)
        let expected = layer.base(x) + dropped.linear(weight) * (factor - 1) + update * factor
        #expect(try distance(layer(x), expected) < 1e-5)
    }

    @Test("Norms follow the factors, and the share that counts; without a share only the base is left")
    mutating func norms() throws {
        let layer = decomposed(try base(nil))
        let x = normal([5, 64])
        let first = layer(x)
        layer.up.value = normal([32, 4])
        let expected = x.linear(layer.weightMatrix(.float32)) + layer.base.bias!.value
        #expect(try distance(layer(x), expected) < 1e-5)
        #expect(try distance(layer(x), first) > 1e-2)
        layer.share = 0.5
        #expect(try distance(layer(x), expected) > 1e-3)
        layer.share = 0
        #expect(try layer(x).floats() == layer.base(x).floats())
        #expect(try layer.weightMatrix(.float32).floats() == layer.base.weightMatrix(.float32).floats())
    }

    @Test("The gradients of factors and magnitudes are those of finite differences, the norm held fast")
    mutating func gradients() throws {
        let layer = decomposed(try base(.fourBit(.nf4)))
        let (x, probe) = (normal([3, 64]), normal([3, 32]))
        (layer(x) * probe).sum().backward()
        let factor = try factor(layer)
        // With the norms held fast the layer is linear in each of its parameters.
        let update = x.linear(layer.down.value)
        let upGradient = (probe * factor).transposed().contiguous().matrixProduct(update) * layer.scale
        #expect(try distance(#require(layer.up.gradient), upGradient) < 1e-5)
        let downGradient = (probe * factor).matrixProduct(layer.up.value).transposed().contiguous().matrixProduct(x) * layer.scale
        #expect(try distance(#require(layer.down.gradient), downGradient) < 1e-5)
        let rows = (layer(x) - layer.base.bias!.value) / layer.magnitude!.value
        #expect(try distance(#require(layer.magnitude?.gradient), (rows * probe).sum(axis: 0)) < 1e-5)
    }

    @Test("A bias of an update is added before it is scaled")
    mutating func updateBias() throws {
        let layer = LoRALinear(
            base: try base(nil), down: Parameter(normal([4, 64])), up: Parameter(.zeros([32, 4])), upBias: Parameter(normal([32])), scale: 2)
        let x = normal([5, 64])
        #expect(try distance(layer(x), layer.base(x) + layer.upBias!.value * 2) < 1e-6)
    }

    @Test("An embedding's update is a row of A times B, over a table of any form", arguments: [nil, .fourBit(.nf4), .int8()] as [Quantization?])
    mutating func embedding(form: Quantization?) throws {
        let table = Embedding(weight: Parameter(normal([20, 32])))
        let base: any EmbeddingLayer = try form?.layer(table) ?? table
        let layer = LoRAEmbedding(base: base, down: Parameter(normal([4, 20])), up: Parameter(normal([32, 4])), scale: 0.5)
        let ids = Tensor([3, 1, 4, 1] as [Int32])
        let whole = base.table(.float32) + layer.up.value.matrixProduct(layer.down.value).transposed() * 0.5
        #expect(try distance(layer(ids), whole.rows(ids)) < 1e-5)
        // A head that shares the table does not learn with it.
        let hidden = normal([2, 32])
        #expect(try layer.scores(hidden, computeDType: .float32).floats() == base.scores(hidden, computeDType: .float32).floats())
        let decomposed = LoRAEmbedding(
            base: base, down: layer.down, up: layer.up, magnitude: Parameter(normal([32]) + 3), scale: 0.5)
        let norms = decomposed(Tensor((0..<20).map { Int32($0) })).squared().sum(axis: 0).squareRoot()
        #expect(try distance(norms, decomposed.magnitude!.value.absoluteValue()) < 1e-5)
    }

    @Test("In bfloat16 every kind gives bfloat16", arguments: [false, true])
    mutating func types(decomposes: Bool) throws {
        let layer = LoRALinear(
            base: try base(nil), down: Parameter(normal([4, 64])), up: Parameter(normal([32, 4])), upBias: decomposes ? nil : Parameter(normal([32])),
            magnitude: decomposes ? Parameter(normal([32]) + 3) : nil, scale: 1)
        let x = normal([5, 64]).cast(to: .bfloat16)
        #expect(layer(x).dtype == .bfloat16)
        #expect(try distance(layer(x).cast(to: .float32), layer(x.cast(to: .float32))) < 2e-2)
        let table = LoRAEmbedding(
            base: Embedding(weight: Parameter(normal([20, 32]))), down: Parameter(normal([4, 20])), up: Parameter(normal([32, 4])),
            magnitude: decomposes ? Parameter(normal([32])) : nil, scale: 1)
        #expect(table(Tensor([3, 1] as [Int32]), dtype: .bfloat16).dtype == .bfloat16)
    }
}
