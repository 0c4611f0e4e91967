import BitsCore
import BitsNN
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("Layers")
struct LayerTests {
    private let x: Tensor
    private let layer: Linear

    init() {
        var random = RandomGenerator(seed: 1)
        x = Tensor.normal([2, 3, 96], using: &random)
        layer = Linear(
            weight: Parameter(Tensor.normal([40, 96], standardDeviation: 0.2, using: &random), isTrainable: false),
            bias: Parameter(Tensor.normal([40], using: &random)))
    }

    @Test("A 4-bit layer is the linear layer of its dequantized weight", arguments: [FourBitFormat.nf4, .fp4], [false, true])
    func fourBit(format: FourBitFormat, doubleQuantization: Bool) throws {
        let packed = try Linear4bit(layer, format: format, doubleQuantization: doubleQuantization)
        let dense = Linear(weight: Parameter(packed.weightMatrix(.float32), isTrainable: false), bias: layer.bias)
        #expect(packed.inFeatures == 96 && packed.outFeatures == 40)
        #expect(packed(x).shape == [2, 3, 40])
        #expect(try packed.weightMatrix(.float32).floats() == packed.weight.dequantized().floats())
        #expect(try distance(packed(x), dense(x)) < 1e-5)
        // It is another weight than before, but not a far one.
        #expect(try (0.01...0.5).contains(distance(packed(x), layer(x))))
    }

    @Test("Its gradients, of input and bias, are those of that layer")
    func fourBitGradients() throws {
        let packed = try Linear4bit(layer)
        let dense = Linear(weight: Parameter(packed.weightMatrix(.float32), isTrainable: false), bias: layer.bias)
        func gradients(_ layer: any LinearLayer) throws -> (input: Tensor, bias: Tensor) {
            let input = Parameter(x)
            self.layer.bias?.gradient = nil
            layer(input.tensor).squared().sum().backward()
            return (try #require(input.gradient), try #require(self.layer.bias?.gradient))
        }
        let (expected, found) = (try gradients(dense), try gradients(packed))
        #expect(found.input.shape == x.shape && found.bias.shape == [40])
        #expect(try distance(found.input, expected.input) < 1e-5)
        #expect(try distance(found.bias, expected.bias) < 1e-5)
    }

    @Test("A frozen 4-bit layer keeps no graph for an input that wants no gradient")
    func noGraph() throws {
        layer.bias?.isTrainable = false
        let packed = try Linear4bit(layer)
        #expect(!packed(x).carriesGradient)
        #expect(packed(Parameter(x).tensor).carriesGradient)
    }

    @Test("Products in 16 bits round their operands and nothing else", arguments: [false, true], [DType.bfloat16, .float16])
    func computeType(isFourBit: Bool, dtype: DType) throws {
        layer.bias = nil
        let subject: any LinearLayer = isFourBit ? try Linear4bit(layer) : layer
        let exact = subject(x)
        if let dense = subject as? Linear { dense.computeDType = dtype }
        if let packed = subject as? Linear4bit { packed.computeDType = dtype }
        let rounded = Linear(weight: Parameter(subject.weightMatrix(dtype).cast(to: .float32)))
        let expected = rounded(x.cast(to: dtype).cast(to: .float32))
        #expect(subject(x).dtype == .float32)
        #expect(try distance(subject(x), expected) < 1e-5)
        #expect(try distance(subject(x), exact) > (dtype == .bfloat16 ? 1e-4 : 2e-5))
    }

    @Test("A layer in bfloat16 answers in bfloat16")
    func narrowActivations() throws {
        let narrow = layer(x.cast(to: .bfloat16))
        #expect(narrow.dtype == .bfloat16)
        #expect(try distance(narrow.cast(to: .float32), layer(x)) < 0.02)
    }

    @Test("An embedding's rows are its table's")
    func embedding() throws {
        let table = Embedding(weight: Parameter(Tensor([Float]([1, 2, 3, 4, 5, 6]), shape: [3, 2], dtype: .bfloat16)))
        let ids = Tensor([Int32]([2, 0, 2, 1]), shape: [2, 2])
        #expect(try table(ids).floats() == [5, 6, 1, 2, 5, 6, 3, 4])
        #expect(table(ids).dtype == .bfloat16)
        #expect(table(ids, dtype: .float32).dtype == .float32)
        #expect(table(ids).shape == [2, 2, 2])
    }

    @Test("An RMS norm divides by the root of the mean square")
    func rmsNorm() throws {
        let norm = RMSNorm(weight: Parameter(Tensor([Float]([1, 2]))), epsilon: 0.5)
        let found = try norm(Tensor([Float]([3, 4]), shape: [1, 2])).floats()
        let root = Float(13).squareRoot()
        #expect(abs(found[0] - 3 / root) < 1e-6 && abs(found[1] - 8 / root) < 1e-6)
    }
}
