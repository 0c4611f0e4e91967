import BitsCore
import BitsNN
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("Embeddings")
struct EmbeddingTests {
    private var random = RandomGenerator(seed: 5)
    private let ids = Tensor([Int32]([2, 0, 7, 2]), shape: [2, 2])

    @Test("A table starts uniform within its bound, the padding row at zero", arguments: [DType.float32, .bfloat16])
    mutating func initialization(dtype: DType) throws {
        let layer = Embedding(vocabularySize: 40, width: 56, paddingIndex: 3, using: &random, dtype: dtype)
        #expect(layer.vocabularySize == 40 && layer.width == 56 && layer.weight.dtype == dtype)
        let values = try layer.weight.value.floats()
        let bound = Float(0.25)  // sqrt(6 / 96)
        #expect(values[3 * 56..<4 * 56].allSatisfy { $0 == 0 })
        #expect(values.allSatisfy { abs($0) <= bound })
        #expect(values.contains { $0 > 0.98 * bound } && values.contains { $0 < -0.98 * bound })
        let mean = values.reduce(0, +) / Float(values.count)
        let deviation = (values.reduce(0) { $0 + $1 * $1 } / Float(values.count)).squareRoot()
        #expect(abs(mean) < 0.01 && abs(deviation - bound / Float(3).squareRoot()) < 0.01)
        var again = RandomGenerator(seed: 5)
        #expect(try Embedding(vocabularySize: 40, width: 56, paddingIndex: 3, using: &again, dtype: dtype).weight.value.floats() == values)
    }

    @Test("The padding row gets no gradient, the others theirs")
    func padding() throws {
        for paddingIndex in [nil, 2] {
            let layer = Embedding(weight: Parameter(.ones([8, 4])), paddingIndex: paddingIndex)
            layer(ids).sum().backward()
            let rows = try #require(layer.weight.gradient).sum(axis: 1).floats()
            #expect(rows == [4, 0, paddingIndex == nil ? 8 : 0, 0, 0, 0, 0, 4])
            let stable = StableEmbedding(
                weight: Parameter(Tensor.ones([8, 4]) + Tensor([Float]([0, 1, 2, 4]))), norm: LayerNorm(width: 4), paddingIndex: paddingIndex)
            (stable(ids) * Tensor([Float]([1, 2, -3, 5]))).sum().backward()
            let found = try #require(stable.weight.gradient).absoluteValue().sum(axis: 1).floats()
            #expect((found[2] == 0) == (paddingIndex != nil) && found[0] > 0 && found[1] == 0)
        }
    }

    @Test("A row's gradient is divided by how often it is asked for, where that is wanted")
    func averagedGradient() throws {
        for isStable in [false, true] {
            func gradient(averages: Bool) throws -> [Float] {
                let weight = Parameter(Tensor.ones([8, 4]) + Tensor([Float]([0, 1, 2, 4])))
                let factors = Tensor([Float]([1, 2, -3, 5]))
                if isStable {
                    let layer = StableEmbedding(weight: weight, norm: LayerNorm(width: 4))
                    layer.averagesGradient = averages
                    (layer(ids) * factors).sum().backward()
                } else {
                    let layer = Embedding(weight: weight)
                    layer.averagesGradient = averages
                    (layer(ids) * factors).sum().backward()
                }
                return try #require(weight.gradient).floats()
            }
            var expected = try gradient(averages: false)
            for column in 8..<12 { expected[column] /= 2 }  // of row 2, which is asked for twice
            #expect(try gradient(averages: true) == expected)
        }
        let layer = Embedding(weight: Parameter(.ones([8, 4])))
        layer.averagesGradient = true
        #expect(layer.copied().averagesGradient)
    }

    @Test("A stable embedding is the layer norm of the rows, in the table's type")
    mutating func stable() throws {
        let layer = StableEmbedding(vocabularySize: 8, width: 24, using: &random, dtype: .bfloat16)
        #expect(layer.namedParameters().map(\.path) == ["weight", "norm.weight", "norm.bias"])
        #expect(layer.norm.epsilon == 1e-5 && layer.norm.weight.dtype == .float32)
        layer.norm.weight.value = .normal([24], using: &random)
        let found = layer(ids)
        #expect(found.dtype == .bfloat16 && found.shape == [2, 2, 24])
        let rows = try layer.weight.value.floats()
        let weight = try layer.norm.weight.value.floats()
        let row = rows[7 * 24..<8 * 24].map(Double.init)
        let mean = row.reduce(0, +) / 24
        let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 24
        let expected = zip(row, weight).map { Float(($0 - mean) / (variance + 1e-5).squareRoot() * Double($1)) }
        #expect(
            try distance(found.narrowed(axis: 0, to: 1..<2).narrowed(axis: 1, to: 0..<1).reshaped(24).cast(to: .float32), Tensor(expected)) < 4e-3)
        #expect(layer(ids, dtype: .float32).dtype == .float32)
        #expect(try distance(layer(ids, dtype: .float32), found.cast(to: .float32)) < 4e-3)
    }

    @Test("Embeddings want 32-bit moments for their table, other weights do not")
    mutating func moments() {
        #expect(Embedding(vocabularySize: 8, width: 4, using: &random).weight.keeps32BitMoments)
        let stable = StableEmbedding(vocabularySize: 8, width: 4, using: &random)
        #expect(stable.weight.keeps32BitMoments && !stable.norm.weight.keeps32BitMoments)
        #expect(stable.copied().weight.keeps32BitMoments)
        #expect(!Linear(inFeatures: 4, outFeatures: 4, using: &random).weight.keeps32BitMoments)
    }

    @Test("In 4 bits, the rows are the dequantized table's, bit for bit", arguments: [FourBitFormat.nf4, .fp4], [64, 96, 7])
    mutating func fourBit(format: FourBitFormat, width: Int) throws {
        let dtype: DType? = width == 96 ? .float16 : nil
        let table = Embedding(vocabularySize: 9, width: width, using: &random, dtype: .bfloat16)
        let packed = format == .nf4 ? try Embedding4bit.nf4(table, dtype: dtype) : try .fp4(table, dtype: dtype)
        #expect(packed.weight.format == format && packed.weight.state.blockSize == .b64 && !packed.weight.state.isDoublyQuantized)
        #expect(packed(ids).dtype == dtype ?? .bfloat16 && packed(ids).shape == [2, 2, width])
        #expect(try packed(ids).bytes() == packed.table().rows(ids).bytes())
        #expect(try packed(ids, dtype: .float32).bytes() == packed.table(.float32).rows(ids).bytes())
        #expect(try distance(packed.table(.float32), table.table(.float32)) < 0.3)
        #expect(packed.byteCount < table.byteCount)
    }

    @Test("A 4-bit table is saved and loaded, copied and moved without a change")
    mutating func fourBitState() throws {
        let packed = try Embedding4bit.nf4(Embedding(vocabularySize: 8, width: 64, using: &random))
        let entries = try packed.entries("embed")
        #expect(
            entries.map(\.name) == ["embed.weight", "embed.weight.absmax", "embed.weight.quant_map", "embed.weight.quant_state.bitsandbytes__nf4"])
        try check(packed, entries, copy: packed.copied(), absmax: "weight.absmax") { try Embedding4bit(entries: $0) }
    }

    @Test("In int8, the rows are the dequantized table's, bit for bit")
    mutating func int8() throws {
        let table = Embedding(vocabularySize: 9, width: 30, using: &random, dtype: .bfloat16)
        let packed = Embedding8bit(table)
        #expect(packed(ids).dtype == .bfloat16 && packed(ids).shape == [2, 2, 30] && packed.vocabularySize == 9 && packed.width == 30)
        #expect(try packed(ids).bytes() == packed.table().rows(ids).bytes())
        #expect(try packed(ids, dtype: .float32).bytes() == packed.table(.float32).rows(ids).bytes())
        #expect(try distance(packed.table(.float32), table.table(.float32)) < 0.01)
        #expect(Embedding8bit(table, dtype: .float16)(ids).dtype == .float16)
    }

    @Test("An int8 table is saved and loaded, copied and moved without a change")
    mutating func int8State() throws {
        let packed = Embedding8bit(Embedding(vocabularySize: 8, width: 64, using: &random))
        let entries = try packed.entries("embed")
        #expect(entries.map(\.name) == ["embed.weight", "embed.SCB", "embed.weight_format"])
        try check(packed, entries, copy: packed.copied(), absmax: "SCB") { try Embedding8bit(dtype: .float32, entries: $0) }
    }

    /// Checks that `packed` gives the same rows made again from its `entries`, copied and moved, and that it cannot be made without its scales.
    private func check<Layer: Module & EmbeddingLayer>(
        _ packed: Layer, _ entries: [(name: String, tensor: Tensor)], copy: Layer, absmax: String, make: ((String) throws -> Tensor?) throws -> Layer
    ) throws {
        let expected = try packed(ids, dtype: nil).bytes()
        let saved = Dictionary(uniqueKeysWithValues: entries)
        #expect(try make { saved["embed.\($0)"] }(ids, dtype: nil).bytes() == expected)
        let device = Device.deferred()
        try copy.move(to: device)
        #expect(copy.device == device && packed.device == .cpu)
        #expect(try copy(ids.moved(to: device), dtype: nil).bytes() == expected)
        try copy.load("embed") { saved[$0] }
        #expect(copy.device == device)
        #expect(try copy(ids.moved(to: device), dtype: nil).bytes() == expected)
        #expect(throws: QuantizationError.self) { try make { $0 == absmax ? nil : saved["embed.\($0)"] } }
    }
}
