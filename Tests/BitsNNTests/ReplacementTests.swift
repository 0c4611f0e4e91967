import BitsCore
import BitsNN
import BitsQuant
import Testing
import _BitsTestSupport

/// Two blocks with a norm, an embedding and a head, without weights.
private final class Model: Module {
    final class Block: Module {
        @Child("up") var up: any LinearLayer
        @Child("norm") var norm: RMSNorm
        @Child("down") var down: any LinearLayer
        /// Cannot be replaced.
        @Child("fixed") var fixed: Linear

        override init() {
            super.init()
            up = Linear(inFeatures: 32, outFeatures: 64)
            norm = RMSNorm(width: 64, epsilon: 1e-5)
            down = Linear(inFeatures: 64, outFeatures: 32, bias: false)
            fixed = Linear(inFeatures: 32, outFeatures: 32, bias: false)
        }
    }

    @Child("embed") var embedding: any EmbeddingLayer
    @Children("blocks") var blocks: [Block]
    @Child("lm_head") var head: any LinearLayer

    override init() {
        super.init()
        embedding = Embedding(vocabularySize: 40, width: 32)
        blocks = (0..<2).map { _ in Block() }
        head = Linear(inFeatures: 32, outFeatures: 40, bias: false)
    }

    /// With weights.
    static func random() -> Model {
        let model = Model()
        var random = RandomGenerator(seed: 9)
        for (path, parameter) in model.namedParameters() {
            let isSmall = path.contains("blocks") && !path.contains("norm") && !path.contains("fixed") || path.contains("head")
            parameter.value = .normal(parameter.shape, standardDeviation: isSmall ? 0.1 : 1, using: &random, dtype: .bfloat16)
        }
        return model
    }

    override var outputHeads: [any LinearLayer] { [head] }

    func callAsFunction(_ ids: Tensor) -> Tensor {
        var x = embedding(ids, dtype: .float32)
        for block in blocks { x = block.fixed(block.down(block.norm(block.up(x)))) }
        return head(x)
    }
}

@Suite("Replacing the layers of a model")
struct ReplacementTests {
    private let model = Model.random()
    private let ids = Tensor([Int32]([3, 1, 4, 15, 9]))
    private let layers = ["blocks.0.up", "blocks.0.down", "blocks.1.up", "blocks.1.down"]

    @Test("Linear layers are quantized in place, the rest stays with a reason; bytes add up")
    func coverage() throws {
        let before = model.byteCount
        let exact = model(ids)
        let report = try model.quantize(to: .fourBit(.nf4))
        #expect(report.quantized.map(\.path) == layers)
        #expect(report.quantized.allSatisfy { $0.form == "nf4" && $0.byteCount < $0.byteCountBefore && $0.nonFiniteCount == 0 })
        let kept = Dictionary(uniqueKeysWithValues: report.kept.map { ($0.path, $0.reason) })
        #expect(kept.keys.sorted() == ["blocks.0.fixed", "blocks.1.fixed", "lm_head"])
        #expect(kept["lm_head"] == "output heads stay as they are")
        #expect(kept["blocks.0.fixed"] == "is declared as Linear, which Linear4bit is not; declare it as a layer of any precision")
        #expect(report.byteCountBefore == before && report.byteCount == model.byteCount && report.byteCount < before)
        let saved = report.quantized.reduce(0) { $0 + $1.byteCountBefore - $1.byteCount }
        #expect(before - model.byteCount == saved)
        #expect(report.warnings == [])
        #expect(report.description.contains("4 layers quantized, 3 kept; \(before) bytes became \(model.byteCount)"))
        #expect(model.blocks[0].up is Linear4bit && model.head is Linear)
        #expect(try (1e-3...0.5).contains(distance(model(ids).cast(to: .float32), exact.cast(to: .float32))))
    }

    @Test("To int8, with settings of its own, and embeddings if they are asked for")
    func int8() throws {
        let report = try model.quantize(to: .int8(outlierThreshold: 3), embeddings: .fourBit(.fp4, doubleQuantization: false), skipping: ["blocks.1"])
        #expect(report.quantized.map(\.path) == ["embed", "blocks.0.up", "blocks.0.down", "lm_head"])
        #expect(report.quantized.map(\.form) == ["fp4", "int8", "int8", "int8"])
        #expect((model.blocks[0].up as? Linear8bitLt)?.outlierThreshold == 3 && model.embedding is Embedding4bit)
        #expect(report.kept.first { $0.path == "blocks.1.down" }?.reason == "is on the skip list ('blocks.1')")
        let again = try model.quantize(to: .fourBit(.nf4), skipping: ["lm_head", "no.such"])
        #expect(again.quantized.map(\.path) == ["blocks.1.up", "blocks.1.down"])
        #expect(again.kept.filter { $0.reason == "is quantized already" }.map(\.path) == ["embed", "blocks.0.up", "blocks.0.down", "lm_head"])
        #expect(again.unmatchedSkips == ["lm_head", "no.such"])
        #expect(again.warnings == ["skip 'lm_head' matched no layer", "skip 'no.such' matched no layer"])
    }

    @Test("Weights that are not finite are reported with their layer, and so is a model without layers to quantize")
    func warnings() throws {
        let linear = try #require(model.blocks[1].down as? Linear)
        linear.weight.value = Tensor((0..<64 * 32).map { $0 < 3 ? .nan : 1 }, shape: [32, 64])
        let report = try model.quantize(to: .fourBit(.nf4))
        #expect(report.warnings == ["blocks.1.down: 3 weights are NaN or infinite; NaN was quantized to code 0"])
        #expect(try LayerNorm(width: 4).quantize(to: .int8()).warnings == ["no layer was quantized"])
    }

    @Test("A form that fits no layer is an error")
    func badForms() {
        #expect(throws: QuantizationError.invalidOutlierThreshold(-1)) { try model.quantize(to: .int8(outlierThreshold: -1)) }
        #expect(throws: QuantizationError.self) { try model.quantize(to: .int8(outlierThreshold: .nan)) }
        #expect(model.blocks[0].up is Linear)
    }

    @Test("Any other layer can be put in a layer's place")
    func anyLayer() throws {
        let report = try model.replaceLinearLayers(skipping: ["down", "lm_head", "fixed"]) { path, linear in
            path.hasPrefix("blocks.0") ? linear.copied() : nil
        }
        #expect(report.quantized.map(\.path) == ["blocks.0.up"] && report.quantized[0].form == "Linear")
        #expect(report.kept.first { $0.path == "blocks.1.up" }?.reason == "was not to be replaced")
        #expect(report.kept.count == 6)
    }

    @Test("Filling a model without weights gives what quantizing the model does", arguments: [false, true])
    func filling(isInt8: Bool) throws {
        let entries = Dictionary(uniqueKeysWithValues: try model.entries().map { ($0.name, $0.tensor) })
        let form = isInt8 ? Quantization.int8() : .fourBit(.nf4)
        let expected = try model.quantize(to: form)
        let empty = Model()
        #expect(empty.keptByDefault == model.keptByDefault)
        var asked: [String] = []
        let report = try empty.loadAndQuantize(to: form) { name in
            if entries[name] != nil { asked.append(name) }
            return entries[name]
        }
        #expect(report.quantized.map(\.path) == expected.quantized.map(\.path) && report.byteCount == expected.byteCount)
        #expect(report.kept.map(\.path) == expected.kept.map(\.path) && report.byteCountBefore == expected.byteCountBefore)
        #expect(try empty(ids).bytes() == model(ids).bytes())
        #expect(empty.trainableParameters().isEmpty)
        #expect(Set(asked) == Set(entries.keys))
        #expect(empty.namedParameters().map(\.parameter.dtype).allSatisfy { $0 == .bfloat16 })
    }

    @Test("Filling never holds more than the quantized model and one layer")
    func peak() throws {
        let device = Device.deferred()
        let empty = Model()
        var peak = 0
        let entries = Dictionary(uniqueKeysWithValues: try model.entries().map { ($0.name, $0.tensor) })
        let report = try empty.loadAndQuantize(to: .fourBit(.nf4, doubleQuantization: false), device: device) { name in
            try device.synchronize()
            peak = max(peak, device.allocatedByteCount)
            return entries[name]
        }
        try device.synchronize()
        // Each quantized layer also counts what was not finite, in 8 bytes; all share one table of 16 codes.
        let known = report.byteCount + 8 * report.quantized.count - 64 * (report.quantized.count - 1)
        #expect(device.allocatedByteCount == known)
        #expect(peak <= known && peak > known / 2 && peak + 2 * 64 * 32 < report.byteCountBefore)
        #expect(try distance(empty(ids.moved(to: device)).cast(to: .float32), filled(entries)(ids).cast(to: .float32)) < 1e-2)
    }

    private func filled(_ entries: [String: Tensor]) throws -> Model {
        let model = Model()
        try model.loadAndQuantize(to: .fourBit(.nf4, doubleQuantization: false)) { entries[$0] }
        return model
    }

    @Test("Weights that are not quantized come in the type that is asked for, or in float32 where that is")
    func types() throws {
        let entries = Dictionary(uniqueKeysWithValues: try model.entries().map { ($0.name, $0.tensor) })
        let empty = Model()
        try empty.loadAndQuantize(to: .fourBit(.nf4, computeDType: .bfloat16), dtype: .float16, keepingFloat32: ["norm"]) { entries[$0] }
        #expect(empty.blocks[0].norm.weight.dtype == .float32 && (empty.head as? Linear)?.weight.dtype == .float16)
        let up = try #require(empty.blocks[0].up as? Linear4bit)
        #expect(up.weight.state.dtype == .float16 && up.bias?.dtype == .float16 && up.computeDType == .bfloat16)
    }

    @Test("What the checkpoint holds quantized is taken as it is, skipped or not", arguments: [false, true])
    func prequantized(isInt8: Bool) throws {
        try model.quantize(to: isInt8 ? .int8() : .fourBit(.fp4), embeddings: isInt8 ? .int8() : .fourBit(.fp4), skipping: ["blocks.1"])
        let entries = Dictionary(uniqueKeysWithValues: try model.entries().map { ($0.name, $0.tensor) })
        let empty = Model()
        let report = try empty.loadAndQuantize(
            to: .fourBit(.nf4, computeDType: .float32), skipping: ["blocks.0", "blocks.1", "lm_head"], dtype: .bfloat16
        ) { entries[$0] }
        let form = isInt8 ? "int8" : "fp4"
        #expect(report.quantized.map(\.form) == [form, form, form, form] && report.quantized.map(\.path).contains("blocks.0.up"))
        #expect(try empty(ids).bytes() == model(ids).bytes())
    }

    @Test("A weight that two modules share is found under either name", arguments: ["embed.weight", "lm_head.weight"])
    func tied(name: String) throws {
        func tie(_ model: Model) throws { model.head = Linear(weight: try #require(model.embedding as? Embedding).weight) }
        try tie(model)
        var entries = Dictionary(try model.entries().map { ($0.name, $0.tensor) }) { first, _ in first }
        for other in ["embed.weight", "lm_head.weight"] where other != name { entries[other] = nil }
        try model.quantize(to: .fourBit(.nf4), skipping: [])
        let empty = Model()
        try tie(empty)
        let report = try empty.loadAndQuantize(to: .fourBit(.nf4), skipping: []) { entries[$0] }
        #expect(report.quantized.map(\.path) == layers + ["lm_head"])
        #expect(try empty(ids).bytes() == model(ids).bytes())
    }

    @Test("Entries that describe no weight, or one in two ways, are refused as in a checkpoint of a model")
    func badParts() throws {
        let entries = Dictionary(uniqueKeysWithValues: try model.entries().map { ($0.name, $0.tensor) })
        let path = "blocks.1.down"
        func problem(_ parts: [(name: String, tensor: Tensor)]) -> String {
            var changed = entries
            for part in parts { changed["\(path).\(part.name)"] = part.tensor }
            do {
                try Model().loadAndQuantize(to: .int8()) { changed[$0] }
                return "nothing"
            } catch { return "\(error)" }
        }
        let weight = Tensor.ones([32, 64])
        let int8 = Int8Tensor(weight: weight).entries()
        let fourBit = try weight.quantized(to: .nf4).entries().map { (name: "weight\($0.suffix)", tensor: $0.tensor) }
        #expect(problem(int8) == "nothing")
        #expect(problem([int8[0]]).contains("SCB of the quantized tensor should be there, not missing"))
        #expect(
            problem([int8[1]]).contains("weight of the quantized tensor should be int8, not a plain bfloat16 [32, 64] beside quantized entries (SCB)")
        )
        #expect(problem([fourBit[0]]).contains("described by entries beside it"))
        #expect(problem(int8 + fourBit).contains("in 4 bits or in 8, not in both"))
    }

    @Test("An entry that is missing or of another shape is an error with its full name")
    func badEntries() throws {
        let entries = Dictionary(uniqueKeysWithValues: try model.entries().map { ($0.name, $0.tensor) })
        func load(_ name: String, _ tensor: Tensor?) throws {
            try Model().loadAndQuantize(to: .int8()) { $0 == name ? tensor : entries[$0] }
        }
        #expect(throws: Never.self) { try load("no.such", nil) }
        for name in entries.keys {
            let shape = try #require(entries[name]).shape
            #expect(throws: LayerError.missingEntry(name, shape: shape)) { try load(name, nil) }
        }
        #expect(throws: LayerError.unsuitableEntry("blocks.1.up.weight", expected: "floating point [64, 32]", found: "float32 [64, 33]")) {
            try load("blocks.1.up.weight", .zeros([64, 33]))
        }
        func loadPacked(_ path: String, _ change: (inout [String: Tensor]) -> Void) throws {
            var packed = Dictionary(uniqueKeysWithValues: try Linear4bit(Linear(weight: Parameter(.ones([8, 8])))).entries(path))
            change(&packed)
            try Model().loadAndQuantize(to: .int8()) { packed[$0] ?? ($0.hasPrefix("\(path).weight") ? nil : entries[$0]) }
        }
        #expect(throws: LayerError.unsuitableEntry("blocks.0.down.weight", expected: "[32, 64]", found: "nf4 [8, 8]")) {
            try loadPacked("blocks.0.down") { _ in }
        }
        let missing = QuantizationError.inconsistentState("absmax", expected: "there", found: "missing")
        #expect(throws: LayerError.unsuitableWeight("blocks.0.down.weight", missing)) {
            try loadPacked("blocks.0.down") { $0["blocks.0.down.weight.absmax"] = nil }
        }
    }
}
