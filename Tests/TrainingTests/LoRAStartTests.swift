import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsQuant
import BitsTune
import Testing
import _BitsTestSupport

@Suite("Where adapters start")
struct LoRAStartTests {
    private let ids = TokenBatch([3, 1, 4, 1, 5, 9, 2, 6])

    /// The tiny model in full.
    private func model() throws -> CausalLanguageModel {
        let model = try TinyTraining(on: .cpu).model
        model.replaceModules { _, module in
            (module as? Linear4bit).map { Linear(weight: Parameter($0.weightMatrix(.float32), isTrainable: false)) }
        }
        return model
    }

    private func configuration(_ start: LoRAStart, rank: Int = 4, alpha: Float = 6) -> LoRAConfiguration {
        var configuration = LoRAConfiguration(rank: rank, alpha: alpha)
        configuration.start = start
        return configuration
    }

    private func adapter(_ start: LoRAStart, on model: CausalLanguageModel, rank: Int = 4, original: (any WeightSource)? = nil) throws -> Adapter {
        var generator = RandomGenerator(seed: 5)
        return try Adapter(on: model, configuration(start, rank: rank), original: original, using: &generator)
    }

    @Test(
        "A model computes what it did, whatever the start, disabled too",
        arguments: [.kaiming, .gaussian, .pissa(), .pissa(iterations: 4), .olora] as [LoRAStart])
    func unchanged(start: LoRAStart) throws {
        let model = try model()
        let before = model.logits(ids)
        let adapter = try adapter(start, on: model)
        #expect(try distance(model.logits(ids), before) < 1e-5)
        #expect(try adapter.layers.allSatisfy { try $0.layer.down.value.absoluteValue().sum().item() > 0 })
        for (_, layer) in adapter.layers { layer.up.value = layer.up.value + 0.05 }
        let trained = model.logits(ids)
        #expect(try distance(trained, before) > 1e-2)
        adapter.isEnabled = false
        #expect(try distance(model.logits(ids), before) < 1e-5)
        adapter.isEnabled = true
        let scratch = try TemporaryFolder()
        try adapter.save(to: "\(scratch.path)/adapter")
        let fresh = try self.model()
        _ = try Adapter(ModelFolder(path: "\(scratch.path)/adapter"), on: fresh)
        #expect(try distance(fresh.logits(ids), trained) < 1e-5)
        try adapter.remove(from: model)
        #expect(try distance(model.logits(ids), before) < 1e-5)
    }

    @Test("Random starts change a model, and their factors are not zero")
    func random() throws {
        let model = try model()
        let before = model.logits(ids)
        _ = try adapter(.random, on: model)
        #expect(try distance(model.logits(ids), before) > 1e-2)
    }

    /// A matrix [64, 32] with the singular values 0.8^i.
    private func matrix() throws -> (Tensor, values: [Float]) {
        var generator = RandomGenerator(seed: 1)
        func orthonormal(_ width: Int) throws -> [[Float]] {
            var rows: [[Float]] = []
            for _ in 0..<32 {
                var row = try Tensor.normal([width], using: &generator).floats()
                for other in rows + rows {
                    let share = zip(row, other).reduce(0) { $0 + $1.0 * $1.1 }
                    row = zip(row, other).map { $0 - share * $1 }
                }
                let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
                rows.append(row.map { $0 / length })
            }
            return rows
        }
        let values = (0..<32).map { (index: Int) -> Float in (0..<index).reduce(1) { value, _ in value * 0.8 } }
        let left = Tensor(try zip(orthonormal(64), values).flatMap { row, value in row.map { $0 * value } }, shape: [32, 64])
        return (left.transposed().contiguous().matrixProduct(Tensor(try orthonormal(32).flatMap { $0 }, shape: [32, 32])), values)
    }

    @Test(
        "PiSSA takes out the largest singular values, their roots in either factor; a rank above the matrix's adds zeros", arguments: [1, 4, 32, 40])
    func singularValues(rank: Int) throws {
        let ((weight, values), model) = (try matrix(), try model())
        let name = "model.layers.0.mlp.up_proj"
        let parameter = try #require(model.namedParameters().first { $0.path == "\(name).weight" }?.parameter)
        parameter.value = weight
        let adapter = try adapter(.pissa(), on: model, rank: rank)
        let layer = try #require(adapter.layers.first { $0.path == name }?.layer as? LoRALinear)
        let rest = try layer.base.weightMatrix(.float32).sumOfSquares().item().squareRoot()
        let expected = values.dropFirst(rank).reduce(0) { $0 + $1 * $1 }.squareRoot()
        #expect(abs(rest - expected) < 1e-5)
        for factor in [layer.down.value, layer.up.value.transposed().contiguous()] {
            let norms = try factor.squared().sum(axis: 1).floats().map { $0 * layer.scale }
            #expect(norms.count == rank && norms.dropFirst(32).allSatisfy { $0 == 0 })
            for (norm, value) in zip(norms, values) { #expect(abs(norm - value) < 1e-5) }
        }
    }

    /// Weights by their names.
    private struct Weights: WeightSource {
        let tensors: [String: Tensor]
        var names: [String]? { tensors.keys.sorted() }
        func entry(_ name: String) -> WeightEntry? {
            tensors[name].map { WeightEntry(dtype: $0.dtype, typeName: $0.dtype.rawValue, shape: $0.shape, byteCount: 4 * $0.count) }
        }
        func tensor(_ name: String, on device: Device) -> Tensor? { tensors[name] }
        func release(_ name: String) {}
    }

    @Test("LoftQ makes up for part of what 4 bits lose, more of it with a higher rank; the base stays as it is")
    func loftQ() throws {
        let plain = try model()
        let before = plain.logits(ids)
        let original = Weights(tensors: Dictionary(uniqueKeysWithValues: plain.namedParameters().map { ($0.path, $0.parameter.value) }))
        func lost(rank: Int?) throws -> Double {
            let model = try model()
            try model.quantize(to: .fourBit(.fp4))
            let quantized = try model.namedModules().flatMap { try ($0.module as? Linear4bit)?.weight.packed.bytes() ?? [] }
            if let rank { _ = try adapter(.loftQ(), on: model, rank: rank, original: original) }
            #expect(try model.namedModules().flatMap { try ($0.module as? Linear4bit)?.weight.packed.bytes() ?? [] } == quantized)
            return try distance(model.logits(ids), before)
        }
        let (none, some, more, all) = (try lost(rank: nil), try lost(rank: 8), try lost(rank: 20), try lost(rank: 32))
        #expect(none > 5e-2 && all < 1e-5)
        #expect(some < 0.9 * none && more < 0.6 * some)
    }

    @Test(
        "Further rounds of LoftQ quantize anew what the factors do not make up for, and lose less each; what is left without the adapter is a base of its own"
    )
    func loftQRounds() throws {
        let plain = try model()
        let original = Weights(tensors: Dictionary(uniqueKeysWithValues: plain.namedParameters().map { ($0.path, $0.parameter.value) }))
        func lost(rounds: Int) throws -> (weights: Double, codes: [[UInt8]]) {
            let model = try model()
            try model.quantize(to: .fourBit(.fp4))
            let adapter = try adapter(.loftQ(rounds: rounds), on: model, rank: 8, original: original)
            #expect(adapter.hasOwnBase == (rounds > 1))
            let squares = try adapter.layers.map { path, layer in
                let exact = try #require(original.tensors["\(path).weight"])
                let linear = try #require(layer as? LoRALinear)
                return Double(try (linear.weightMatrix(.float32) - exact).sumOfSquares().item())
            }
            try adapter.remove(from: model)
            return (squares.reduce(0, +), try model.namedModules().compactMap { try ($0.module as? Linear4bit)?.weight.packed.bytes() })
        }
        let (one, two, five) = (try lost(rounds: 1), try lost(rounds: 2), try lost(rounds: 5))
        #expect(two.weights < 0.97 * one.weights && five.weights < two.weights)
        #expect(one.codes.count == two.codes.count && one.codes != two.codes)
    }

    @Test("LoftQ without 4 bits, or without the weights, is refused; so is a part of a layer that has an adapter already")
    func refused() throws {
        let model = try TinyTraining(on: .cpu).model
        #expect(throws: AdapterError.needsOriginal(path: "model.layers.0.self_attn.q_proj")) { try adapter(.loftQ(), on: model) }
        #expect(throws: AdapterError.needsOriginal(path: "model.layers.0.self_attn.q_proj")) {
            try adapter(.loftQ(), on: self.model(), original: Weights(tensors: [:]))
        }
        #expect(throws: AdapterError.needsOriginal(path: "model.layers.0.self_attn.q_proj")) {
            let plain = try self.model()
            let weights = plain.namedParameters().map { ($0.path, $0.parameter.value) }
            try plain.quantize(to: .int8())
            return try adapter(.loftQ(), on: plain, original: Weights(tensors: Dictionary(uniqueKeysWithValues: weights)))
        }
        _ = try adapter(.kaiming, on: model)
        let error = #expect(throws: AdapterError.self) { try adapter(.pissa(), on: model) }
        #expect(error.map { "\($0)".contains("has an adapter already") } == true)
    }

    @Test("Taking a part out of a quantized layer leaves one that is quantized alike", arguments: [.pissa(), .olora] as [LoRAStart])
    func quantized(start: LoRAStart) throws {
        let model = try TinyTraining(on: .cpu).model
        let before = model.logits(ids)
        let adapter = try adapter(start, on: model)
        #expect(adapter.layers.allSatisfy { ($0.layer as? LoRALinear)?.base is Linear4bit })
        #expect(try distance(model.logits(ids), before) < 0.3)
    }
}
