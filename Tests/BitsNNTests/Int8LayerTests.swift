import BitsCore
import BitsNN
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("Int8 linear layers")
struct Int8LayerTests {
    private let layer: Linear
    private let x: Tensor
    private let gradient: Tensor

    init() throws {
        var random = RandomGenerator(seed: 6)
        layer = Linear(inFeatures: 96, outFeatures: 40, using: &random)
        // One column of outliers, and a row of ordinary numbers.
        let scale = (0..<96).map { Float($0 == 17 ? 20 : 1) }
        x = Tensor.normal([2, 4, 96], using: &random) * Tensor(scale)
        gradient = Tensor.normal([2, 4, 40], using: &random)
    }

    private func train(_ layer: Linear8bitLt) -> (output: Tensor, input: Tensor?) {
        let input = Parameter(x)
        let output = layer(input.tensor)
        output.backward(from: gradient)
        return (output, input.gradient)
    }

    @Test("The defaults are those of LLM.int8(): a frozen weight, outliers from 6 on")
    func defaults() {
        let int8 = Linear8bitLt(layer)
        #expect(!int8.keepsFloat16Weights && int8.weight == nil && int8.outlierThreshold == 6 && int8.bias === layer.bias)
        #expect(int8.codes?.shape == [40, 96] && int8.inFeatures == 96 && int8.outFeatures == 40)
        let trained = Linear8bitLt(layer, keepsFloat16Weights: true)
        #expect(trained.keepsFloat16Weights && trained.weight === layer.weight && trained.codes == nil)
    }

    @Test("The output is near the float layer's and has the input's type", arguments: [DType.float32, .float16, .bfloat16], [false, true])
    func output(dtype: DType, keeps: Bool) throws {
        let int8 = Linear8bitLt(layer, keepsFloat16Weights: keeps)
        let found = int8(x.cast(to: dtype))
        #expect(found.dtype == dtype && found.shape == [2, 4, 40])
        let expected = layer(x.cast(to: dtype).cast(to: .float32))
        #expect(try distance(found.cast(to: .float32), expected) < 0.03)
        #expect(try distance(found.cast(to: .float32), expected) > 1e-5)
        let product = x.cast(to: dtype).linear(Int8Tensor(weight: layer.weight.value), bias: layer.bias?.value, outlierThreshold: 6)
        #expect(try found.bytes() == product.bytes())
        #expect(try int8.weightMatrix(.float32).bytes() == Int8Tensor(weight: layer.weight.value).dequantized(to: .float32).bytes())
    }

    @Test("With a threshold, outliers cost no precision")
    func threshold() throws {
        let (with, without) = (Linear8bitLt(layer), Linear8bitLt(layer, outlierThreshold: 0))
        let exact = x.linear(with.weightMatrix(.float32), bias: layer.bias?.value)
        #expect(try 2 * distance(with(x), exact) < distance(without(x), exact))
        with.outlierThreshold = 0
        #expect(try with(x).bytes() == without(x).bytes())
    }

    @Test("Gradients of input, bias and weight are those of the product", arguments: [false, true])
    func gradients(keeps: Bool) throws {
        let int8 = Linear8bitLt(layer, keepsFloat16Weights: keeps)
        let input = try #require(train(int8).input)
        #expect(try distance(input, gradient.matrixProduct(int8.weightMatrix(.float32))) < 1e-5)
        #expect(try distance(#require(layer.bias?.gradient), gradient.sum(axis: 0).sum(axis: 0)) < 1e-5)
        guard keeps else {
            #expect(layer.weight.gradient == nil)
            return
        }
        let expected = gradient.reshaped(8, 40).transposed().matrixProduct(x.reshaped(8, 96))
        let found = try #require(layer.weight.gradient)
        #expect(found.dtype == .float32)
        #expect(try distance(found, expected) < 0.03)
    }

    @Test("Gradients accumulate over passes that share the codes; a changed weight is quantized anew, in evaluation too")
    func accumulation() throws {
        let device = Device.deferred()
        let int8 = Linear8bitLt(layer, keepsFloat16Weights: true).copied()
        try int8.move(to: device)
        let weight = try #require(int8.weight)
        let codes = int8.quantizedWeight
        try device.synchronize()
        let before = device.allocatedByteCount
        let again = int8.quantizedWeight
        try device.synchronize()
        #expect(device.allocatedByteCount == before && again.shape == codes.shape)
        try int8.move(to: .cpu)

        let first = try train(int8).output.bytes()
        let once = try #require(weight.gradient)
        #expect(try train(int8).output.bytes() == first)
        #expect(try distance(#require(weight.gradient), once * 2) < 1e-6)
        weight.value = weight.value * 2
        #expect(try int8.weightMatrix(.float32).bytes() == Int8Tensor(weight: weight.value).dequantized(to: .float32).bytes())
        weight.gradient = nil
        #expect(try noGradient { int8(x) }.bytes() != first)
        weight.value = layer.weight.value
        #expect(try noGradient { int8(x) }.bytes() == first)
    }

    @Test("A frozen layer keeps no graph for an input that wants no gradient")
    func noGraph() {
        layer.bias?.isTrainable = false
        #expect(!Linear8bitLt(layer)(x).carriesGradient)
        #expect(Linear8bitLt(layer, keepsFloat16Weights: true)(x).carriesGradient)
        layer.weight.isTrainable = false
        #expect(!Linear8bitLt(layer, keepsFloat16Weights: true)(x).carriesGradient)
    }

    @Test("Evaluation and training in any order, a copy, a move there and back and a reload give the same bits", arguments: [false, true])
    func sameBits(keeps: Bool) throws {
        let int8 = Linear8bitLt(layer, keepsFloat16Weights: keeps)
        let expected = try noGradient { int8(x) }.bytes()
        #expect(try train(int8).output.bytes() == expected)
        #expect(try noGradient { int8(x) }.bytes() == expected)
        let copy = int8.copied()
        #expect(try train(copy).output.bytes() == expected)
        let device = Device.deferred()
        try copy.move(to: device)
        #expect(copy.device == device && copy.bias?.device == device && copy.quantizedWeight.device == device)
        #expect(try distance(copy(x.moved(to: device)), int8(x)) < 1e-6)
        try copy.move(to: .cpu)
        #expect(try copy(x).bytes() == expected)
        let saved = Dictionary(uniqueKeysWithValues: try copy.entries())
        try copy.load { saved[$0] }
        #expect(try copy(x).bytes() == expected)
        if !keeps { #expect(try Linear8bitLt { saved[$0] }(x).bytes() == expected) }
        copy.bias?.value = .zeros([40])
        #expect(try int8(x).bytes() == expected && copy(x).bytes() != expected)
    }

    @Test("The entries are bitsandbytes', in its order; a trained weight is an ordinary one")
    func entries() throws {
        func listed(_ layer: Linear8bitLt) throws -> [String] {
            try layer.entries("up").map { "\($0.name) \($0.tensor.dtype.rawValue) \($0.tensor.shape)" }
        }
        #expect(
            try listed(Linear8bitLt(layer)) == [
                "up.weight int8 [40, 96]", "up.bias float32 [40]", "up.SCB float32 [40]", "up.weight_format uint8 []",
            ])
        #expect(try listed(Linear8bitLt(layer, keepsFloat16Weights: true)) == ["up.weight float32 [40, 96]", "up.bias float32 [40]"])
    }

    @Test("Entries that do not make a layer are errors that say which")
    func badEntries() throws {
        let entries = Dictionary(uniqueKeysWithValues: try Linear8bitLt(layer).entries())
        func error(_ change: (inout [String: Tensor]) -> Void) -> String? {
            var changed = entries
            change(&changed)
            do { _ = try Linear8bitLt { changed[$0] } } catch { return "\(error)" }
            return nil
        }
        #expect(error { _ in } == nil)
        #expect(error { $0["weight_format"] = nil } == nil)
        #expect(error { $0["weight"] = nil }?.contains("weight of the quantized tensor should be there") == true)
        #expect(error { $0["SCB"] = nil }?.contains("SCB") == true)
        #expect(error { $0["SCB"] = .zeros([39]) }?.contains("float32 [40], not float32 [39]") == true)
        #expect(error { $0["SCB"] = .zeros([40], dtype: .float16) }?.contains("not float16") == true)
        #expect(error { $0["weight"] = .zeros([40, 96]) }?.contains("not float32 [40, 96]") == true)
        #expect(error { $0["bias"] = .zeros([41]) }?.contains("'bias' is float32 [41]") == true)
        for (code, name) in [(1, "col32"), (2, "col_turing"), (3, "col_ampere"), (9, "9")] {
            let message = error { $0["weight_format"] = Tensor([UInt8(code)], shape: []) }
            #expect(message?.contains(name) == true && message?.contains("0 (row)") == true)
        }
        #expect(throws: LayerError.unsuitableEntry("weight", expected: "a matrix [N, K]", found: "of shape [40]")) {
            try Linear8bitLt { $0 == "weight" ? Tensor([UInt8](repeating: 0, count: 40)).cast(to: .int8) : $0 == "SCB" ? .zeros([1]) : nil }
        }
    }

    @Test("Codes are loaded into a quantized layer only")
    func loading() throws {
        let saved = Dictionary(uniqueKeysWithValues: try Linear8bitLt(layer).entries("up"))
        let expected = LayerError.unsuitableEntry("up.weight", expected: "floating point [40, 96]", found: "int8 [40, 96]")
        #expect(throws: expected) { try layer.load("up") { saved[$0] } }
        #expect(throws: expected) { try Linear8bitLt(layer, keepsFloat16Weights: true).load("up") { saved[$0] } }
        #expect(throws: LayerError.self) { try Linear4bit(layer).load("up") { saved[$0] } }
        do { try Linear4bit(layer).load("up") { saved[$0] } } catch { #expect("\(error)".hasPrefix("'up': quant_state")) }
    }

    @Test("A negative threshold stops the process")
    func badThreshold() async {
        await #expect(processExitsWith: .failure) {
            _ = Linear8bitLt(Linear(weight: Parameter(.ones([2, 2]))), outlierThreshold: -1)
        }
    }
}
