import BitsCore
import BitsNN
import BitsQuant
import Testing
import _BitsTestSupport

/// A table, a layer, a norm and a head that shares the table, under names that have changed since the first checkpoints.
private final class Model: Module {
    @Child("encoder.embed") var embedding: any EmbeddingLayer
    @Child("encoder.up") var up: any LinearLayer
    @Child("encoder.norm") var norm: LayerNorm
    @Child("head") var head: any LinearLayer

    override init() {
        super.init()
        embedding = Embedding(vocabularySize: 40, width: 32)
        up = Linear(inFeatures: 32, outFeatures: 32)
        norm = LayerNorm(width: 32)
        head = TiedLinear($embedding)
    }

    override var outputHeads: [any LinearLayer] { [head] }

    override var checkpointNames: CheckpointNames {
        var names = CheckpointNames()
        names.renamed = ["norm.gamma": "norm.weight", "norm.beta": "norm.bias"]
        names.optionalPrefix = "encoder."
        names.optional = ["encoder.up.bias"]
        names.transposed = ["encoder.up"]
        names.unused = ["position_ids"]
        return names
    }

    func callAsFunction(_ ids: Tensor) -> Tensor { head(norm(up(embedding(ids, dtype: .float32)))) }
}

@Suite("Loading a model from its entries")
struct ModelLoaderTests {
    private let ids = Tensor([Int32]([3, 1, 4, 15, 9]))
    /// As the model itself calls them.
    private let entries: [String: Tensor]

    init() {
        var random = RandomGenerator(seed: 3)
        entries = [
            "encoder.embed.weight": .normal([40, 32], using: &random), "encoder.up.weight": .normal([32, 32], using: &random),
            "encoder.up.bias": .normal([32], using: &random), "encoder.norm.weight": .normal([32], using: &random),
            "encoder.norm.bias": .normal([32], using: &random),
        ]
    }

    private func model(_ entries: [String: Tensor], _ options: LoadOptions = LoadOptions()) throws -> (Model, ModelReport) {
        let model = Model()
        let report = try model.load(from: Entries(entries), options: options)
        return (model, report)
    }

    private func expected(up: Tensor? = nil, bias: Tensor? = nil) throws -> [UInt8] {
        let model = Model()
        for (path, parameter) in model.namedParameters() { parameter.value = try #require(entries[path]) }
        if let up { (model.up as? Linear)?.weight.value = up }
        if let bias { (model.up as? Linear)?.bias?.value = bias }
        return try model(ids).bytes()
    }

    /// In the file the layer's weight lies transposed.
    private var stored: [String: Tensor] { entries.merging(["encoder.up.weight": entries["encoder.up.weight"]!.transposed().contiguous()]) { $1 } }

    @Test("A weight that lies transposed is turned, unless it is quantized")
    func transposed() throws {
        #expect(try model(stored).0(ids).bytes() == expected())
        let packed = try #require(entries["encoder.up.weight"]).quantized(to: .nf4)
        var quantized = stored
        for (suffix, tensor) in try packed.entries() { quantized["encoder.up.weight\(suffix)"] = tensor }
        #expect(
            try distance(model(quantized).0(ids), model(stored, LoadOptions(quantization: .fourBit(.nf4, doubleQuantization: false))).0(ids)) < 1e-6)
    }

    @Test("Names that were used before, and names without their beginning, are found")
    func otherNames() throws {
        var old = stored
        for (now, then) in [
            ("encoder.norm.weight", "encoder.norm.gamma"), ("encoder.norm.bias", "norm.beta"), ("encoder.embed.weight", "embed.weight"),
        ] {
            old[then] = old.removeValue(forKey: now)
        }
        #expect(try model(old).0(ids).bytes() == expected())
        #expect(throws: LayerError.missingEntry("encoder.norm.weight", shape: [32])) {
            old["encoder.norm.gamma"] = nil
            _ = try model(old)
        }
    }

    @Test("What may be missing is zero, what may be there is not asked after, all else is reported")
    func optionalEntries() throws {
        var fewer = stored
        fewer["encoder.up.bias"] = nil
        fewer["encoder.position_ids"] = .ones([4])
        fewer["encoder.pooler.weight"] = .ones([4])
        let (model, report) = try model(fewer)
        #expect(try model(ids).bytes() == expected(bias: .zeros([32])))
        #expect(report.unused == ["encoder.pooler.weight"])
    }

    @Test("All that is wrong is named at once")
    func problems() throws {
        var wrong = stored
        wrong["encoder.norm.weight"] = nil
        wrong["encoder.embed.weight"] = .ones([41, 32])
        wrong["encoder.up.weight"] = .zeros([32, 31])
        #expect(
            throws: LayerError.several([
                .unsuitableEntry("encoder.embed.weight", expected: "floating point [40, 32]", found: "float32 [41, 32]"),
                .unsuitableEntry("encoder.up.weight", expected: "floating point [32, 32]", found: "float32 [32, 31]"),
                .missingEntry("encoder.norm.weight", shape: [32]),
            ])
        ) { try model(wrong, LoadOptions(quantization: .int8(), embeddings: .int8())) }
    }

    @Test("A head that shares the embedding's table multiplies with what the table has become", arguments: ["nf4", "int8"])
    func tiedHead(form: String) throws {
        let quantization: Quantization = form == "nf4" ? .fourBit(.nf4) : .int8()
        let (model, report) = try model(stored, LoadOptions(embeddings: quantization))
        #expect(report.quantized.map(\.path) == ["encoder.embed"] && report.quantized[0].form == form && report.kept == [])
        #expect(model.namedModules().map(\.path) == ["", "encoder.embed", "encoder.up", "encoder.norm", "head"])
        let hidden = model.norm(model.up(model.embedding(ids, dtype: .float32)))
        #expect(try distance(model(ids), hidden.linear(model.embedding.table(.float32))) < (form == "nf4" ? 1e-6 : 2e-2))
        let head = try self.model(stored, LoadOptions(head: quantization)).0
        #expect(try head(ids).bytes() == model(ids).bytes())
    }

    @Test("Without anything asked of embeddings, the tied head is kept with the reason, and a skip list may name it")
    func keptHead() throws {
        let report = try model(stored, LoadOptions(quantization: .int8(), skipping: ["head"])).1
        #expect(report.kept.map(\.path) == ["head"] && report.kept.map(\.reason) == ["shares its weight with the embedding"])
        #expect(report.warnings == [])
    }

    @Test("A model at random has matrices of the deviation that is asked for, norms that do nothing, biases of zero; quantized as it is drawn")
    func random() throws {
        let model = Model()
        try model.load(from: RandomWeights(for: model, standardDeviation: 0.5, using: RandomGenerator(seed: 2)))
        let values = try model.embedding.table().floats()
        #expect(abs((values.reduce(0) { $0 + $1 * $1 } / Float(values.count)).squareRoot() - 0.5) < 0.05)
        #expect(try model.norm.weight.value.floats().allSatisfy { $0 == 1 } && model.norm.bias?.value.floats().allSatisfy { $0 == 0 } == true)
        let packed = Model()
        try packed.load(
            from: RandomWeights(for: packed, standardDeviation: 0.5, using: RandomGenerator(seed: 2)), options: LoadOptions(quantization: .int8()))
        #expect(packed.up is Linear8bitLt)
        #expect(try packed.up.weightMatrix(.float32).bytes() == Int8Tensor(weight: model.up.weightMatrix()).dequantized(to: .float32).bytes())
    }
}

/// Entries in memory whose names are known.
private struct Entries: WeightSource {
    let entries: [String: Tensor]

    init(_ entries: [String: Tensor]) { self.entries = entries }

    var names: [String]? { entries.keys.sorted() }
    func entry(_ name: String) -> WeightEntry? { entries[name].map { WeightEntry($0) } }
    func tensor(_ name: String, on device: Device) throws -> Tensor? { try entries[name]?.moved(to: device) }
    func release(_ name: String) {}
}
