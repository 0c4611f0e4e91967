import BitsCore
import BitsNN
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("4-bit linear layers")
struct FourBitLayerTests {
    private let layer: Linear
    private let x: Tensor

    init() {
        var random = RandomGenerator(seed: 3)
        layer = Linear(inFeatures: 96, outFeatures: 40, using: &random)
        x = Tensor.normal([5, 96], using: &random)
    }

    /// One pass forward and back with gradients to input and bias.
    private func train(_ layer: Linear4bit) -> Tensor {
        let output = layer(Parameter(x).tensor)
        output.squared().sum().backward()
        return output
    }

    @Test("The two formats have constructors of their own, with the original's defaults")
    func named() throws {
        let (nf4, fp4) = (try Linear4bit.nf4(layer), try Linear4bit.fp4(layer, doubleQuantization: false, storage: .bfloat16, computeDType: .float32))
        #expect(nf4.weight.format == .nf4 && nf4.weight.state.isDoublyQuantized && nf4.weight.packed.dtype == .uint8 && nf4.computeDType == nil)
        #expect(fp4.weight.format == .fp4 && !fp4.weight.state.isDoublyQuantized && fp4.weight.packed.dtype == .bfloat16)
        #expect(fp4.computeDType == .float32 && fp4.weight.state.blockSize == .b64)
        #expect(try nf4(x).bytes() == Linear4bit(layer, format: .nf4)(x).bytes())
        #expect(try fp4(x).bytes() == Linear4bit(layer, format: .fp4, doubleQuantization: false)(x).bytes())
    }

    @Test("What codes are stored as changes nothing", arguments: [DType.int8, .float16, .bfloat16, .float32], BlockSize.fourBitSupported)
    func storage(dtype: DType, blockSize: Int) throws {
        let size = try BlockSize(blockSize)
        let (bytes, other) = (try Linear4bit(layer, blockSize: size), try Linear4bit(layer, blockSize: size, storage: dtype))
        #expect(other.weight.packed.dtype == dtype && other.weight.packed.shape == [40 * 96 / 2 / dtype.byteCount, 1])
        #expect(other.weight.state.blockSize == size)
        #expect(try other(x).bytes() == bytes(x).bytes())
    }

    @Test("Codes that are no whole number of storage elements are an error")
    func storageThatDoesNotFit() {
        #expect(throws: QuantizationError.storageDoesNotFit(byteCount: 7, storage: .bfloat16)) {
            try Linear4bit(Linear(weight: Parameter(.ones([2, 7]))), storage: .bfloat16)
        }
        #expect(throws: Never.self) { try Linear4bit(Linear(weight: Parameter(.ones([3, 5]))), storage: .bfloat16) }
    }

    @Test(
        "The output has the input's type; operands are rounded as computeDType says, or as the input is",
        arguments: [nil, DType.float32, .float16, .bfloat16], [DType.float32, .float16, .bfloat16])
    func computeType(compute: DType?, input: DType) throws {
        let packed = try Linear4bit(layer, computeDType: compute)
        let typed = x.cast(to: input)
        let rounded = compute ?? input
        let operands = typed.cast(to: rounded).cast(to: .float32)
        let weight = packed.weightMatrix(rounded).cast(to: .float32)
        let expected = operands.linear(weight, bias: layer.bias?.value).cast(to: input)
        let found = packed(typed)
        #expect(found.dtype == input)
        #expect(try distance(found.cast(to: .float32), expected.cast(to: .float32)) < (input == .float32 ? 1e-5 : input == .float16 ? 1e-3 : 8e-3))
        #expect(packed.computeDType == compute && packed.bias?.dtype == .float32)
    }

    @Test("An input of another type before changes nothing")
    func noMemory() throws {
        let packed = try Linear4bit(layer)
        let first = try packed(x).bytes()
        _ = packed(x.cast(to: .bfloat16))
        _ = packed(x.cast(to: .float16))
        #expect(try packed(x).bytes() == first)
    }

    @Test("Evaluation and training in any order, a copy, a move there and back and a reload give the same bits", arguments: [false, true])
    func sameBits(doubleQuantization: Bool) throws {
        let packed = try Linear4bit(layer, doubleQuantization: doubleQuantization)
        let expected = try noGradient { packed(x) }.bytes()
        #expect(try train(packed).bytes() == expected)
        #expect(try noGradient { packed(x) }.bytes() == expected)
        let copy = packed.copied()
        #expect(try train(copy).bytes() == expected)
        let device = Device.deferred()
        try copy.move(to: device)
        #expect(copy.weight.device == device && copy.bias?.device == device && copy.device == device)
        #expect(try distance(copy(x.moved(to: device)), packed(x)) < 1e-5)
        try copy.move(to: .cpu)
        #expect(try copy(x).bytes() == expected)
        let entries = Dictionary(uniqueKeysWithValues: try copy.entries())
        #expect(try Linear4bit { entries[$0] }(x).bytes() == expected)
        try packed.load { entries[$0] }
        #expect(try packed(x).bytes() == expected)
    }

    @Test("A copy is trained on its own, and takes the gradient along")
    func copying() throws {
        let packed = try Linear4bit(layer)
        _ = train(packed)
        let copy = packed.copied()
        #expect(copy.bias !== packed.bias)
        #expect(try copy.bias?.gradient?.bytes() == packed.bias?.gradient?.bytes())
        copy.bias?.value = .zeros([40])
        copy.bias?.gradient = nil
        #expect(try packed.bias?.value.floats() == layer.bias?.value.floats())
        #expect(packed.bias?.gradient != nil)
        #expect(try copy(x).bytes() != packed(x).bytes())
    }

    @Test("The entries are bitsandbytes', in its order")
    func entries() throws {
        func listed(_ layer: Linear4bit) throws -> [String] {
            try layer.entries("up").map { "\($0.name) \($0.tensor.dtype.rawValue) \($0.tensor.shape)" }
        }
        #expect(
            try listed(Linear4bit.fp4(layer, doubleQuantization: false, storage: .bfloat16)) == [
                "up.weight bfloat16 [960, 1]", "up.bias float32 [40]", "up.weight.absmax float32 [60]", "up.weight.quant_map float32 [16]",
                "up.weight.quant_state.bitsandbytes__fp4 uint8 [77]",
            ])
        let plain = Linear(weight: layer.weight)
        #expect(
            try listed(Linear4bit.nf4(plain)).map { $0.split(separator: " ").dropLast().joined(separator: " ") } == [
                "up.weight uint8 [1920,", "up.weight.absmax uint8", "up.weight.quant_map float32", "up.weight.nested_absmax float32",
                "up.weight.nested_quant_map float32", "up.weight.quant_state.bitsandbytes__nf4 uint8",
            ])
    }

    @Test("Entries that do not make a layer are errors that say which")
    func badEntries() throws {
        let entries = Dictionary(uniqueKeysWithValues: try Linear4bit.nf4(layer).entries())
        func error(_ change: (inout [String: Tensor]) throws -> Void) throws -> String? {
            var changed = entries
            try change(&changed)
            do { _ = try Linear4bit { changed[$0] } } catch { return "\(error)" }
            return nil
        }
        #expect(try error { _ in } == nil)
        for name in entries.keys where name != "bias" {
            let message = try error { $0[name] = nil }
            #expect(message?.contains(name == "weight" ? "weight" : String(name.dropFirst("weight.".count).prefix(10))) == true, "\(message ?? name)")
        }
        #expect(
            try error { $0["bias"] = .zeros([39]) }
                == "'bias' is float32 [39], not floating point [40]; the checkpoint is of another model, or is quantized otherwise")
        #expect(try error { $0["bias"] = Tensor([UInt8](repeating: 0, count: 40)) }?.contains("uint8 [40]") == true)
        let vector = Dictionary(uniqueKeysWithValues: try Tensor.ones([64]).quantized(to: .nf4).entries().map { ("weight" + $0.suffix, $0.tensor) })
        #expect(throws: LayerError.unsuitableEntry("weight", expected: "a matrix [N, K]", found: "of shape [64]")) { try Linear4bit { vector[$0] } }
    }

    @Test("Reading goes into a layer of the same shape and kind only, and names the entry in full")
    func loading() throws {
        var random = RandomGenerator(seed: 4)
        let other = Linear(inFeatures: 64, outFeatures: 40, using: &random)
        let saved = Dictionary(uniqueKeysWithValues: try Linear4bit.nf4(other).entries("up"))
        let packed = try Linear4bit.nf4(layer)
        #expect(throws: LayerError.unsuitableEntry("up.weight", expected: "[40, 96]", found: "[40, 64]")) { try packed.load("up") { saved[$0] } }
        #expect(throws: LayerError.unsuitableEntry("up.weight", expected: "floating point [40, 64]", found: "uint8 [1280, 1]")) {
            try other.load("up") { saved[$0] }
        }
        #expect(throws: LayerError.missingEntry("up.weight", shape: [40, 64])) { try other.load("up") { _ in nil } }
    }
}
