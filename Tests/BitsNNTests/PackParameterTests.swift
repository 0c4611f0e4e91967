import BitsCore
import BitsNN
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("Any parameter in 4 bits")
struct PackParameterTests {
    private final class Expert: Module {
        @Weight("w1") var weight: Parameter  // [E, D, F]
        @Child("norm") var norm: LayerNorm

        init(_ weight: Tensor) {
            super.init()
            self.weight = Parameter(weight)
            norm = LayerNorm(width: 32)
        }

        func callAsFunction(_ x: Tensor) -> Tensor { norm(x.matrixProduct(weight.tensor.narrowed(axis: 0, to: 1..<2).reshaped(64, 32))) }
    }

    private let expert: Expert
    private let x: Tensor

    init() {
        var random = RandomGenerator(seed: 12)
        expert = Expert(.normal([3, 64, 32], using: &random))
        x = .normal([5, 64], using: &random)
    }

    @Test("The module computes with what the codes stand for, in a fraction of the bytes", arguments: [FourBitFormat.nf4, .fp4])
    func packing(format: FourBitFormat) throws {
        let packed = try expert.weight.value.quantized(to: format, doubleQuantization: true)
        let bytes = expert.byteCount
        try expert.packParameter("w1", format: format, doubleQuantization: true)
        #expect(expert.weight.shape == [3, 64, 32] && expert.weight.dtype == .float32 && !expert.weight.isTrainable)
        #expect(try expert.weight.value.bytes() == packed.dequantized().bytes())
        #expect(try expert(x).bytes() == expert.norm(x.matrixProduct(packed.dequantized().narrowed(axis: 0, to: 1..<2).reshaped(64, 32))).bytes())
        #expect(expert.byteCount == bytes - 4 * 3 * 64 * 32 + packed.byteCount)
        #expect(expert.trainableParameters().count == 2)
        expert.weight.value = .ones([3, 64, 32])
        #expect(try expert.weight.value.floats().allSatisfy { $0 == 1 } && expert.byteCount == bytes)
    }

    @Test("It is saved, loaded, copied and moved as the layers' weights are")
    func state() throws {
        let original = expert.weight.value
        try expert.packParameter("w1")
        let expected = try expert(x).bytes()
        let entries = try expert.entries("moe")
        #expect(
            entries.map(\.name) == [
                "moe.w1", "moe.w1.absmax", "moe.w1.quant_map", "moe.w1.quant_state.bitsandbytes__nf4", "moe.norm.weight", "moe.norm.bias",
            ])
        let saved = Dictionary(uniqueKeysWithValues: entries.map { (String($0.name.dropFirst(4)), $0.tensor) })
        let other = Expert(original * 2)
        try other.packParameter("w1") { saved[$0] }
        #expect(try other(x).bytes() == expected)
        try other.packParameter("norm.weight")
        other.norm.weight.value = .ones([32])
        other.norm.bias?.value = .ones([32])
        try other.load { saved[$0] }
        #expect(try other(x).bytes() == expected)
        let copy = other.weight.copied()
        #expect(try copy.value.bytes() == expert.weight.value.bytes())
        let device = Device.deferred()
        try other.move(to: device)
        #expect(other.weight.device == device && copy.device == .cpu)
        #expect(try other.weight.value.bytes() == copy.value.bytes())
    }

    @Test("A name that is no parameter, and entries that do not fit, are errors")
    func mistakes() throws {
        #expect(throws: LayerError.unknownParameter("w2", known: ["w1", "norm.weight", "norm.bias"])) { try expert.packParameter("w2") }
        #expect(throws: LayerError.notAParameter("norm")) { try expert.packParameter("norm") }
        let other = Dictionary(uniqueKeysWithValues: try Tensor.ones([64]).quantized(to: .nf4).entries().map { ("w1" + $0.suffix, $0.tensor) })
        #expect(throws: LayerError.unsuitableEntry("w1", expected: "[3, 64, 32]", found: "[64]")) { try expert.packParameter("w1") { other[$0] } }
        let missing = QuantizationError.inconsistentState("absmax", expected: "there", found: "missing")
        #expect(throws: LayerError.unsuitableWeight("w1", missing)) { try expert.packParameter("w1") { $0 == "w1.absmax" ? nil : other[$0] } }
        try expert.packParameter("w1")
        #expect(throws: LayerError.notAParameter("w1")) { try expert.packParameter("w1") }
        #expect("\(LayerError.unknownParameter("w2", known: ["w1"]))" == "there is no parameter 'w2'; the module has w1")
    }
}
