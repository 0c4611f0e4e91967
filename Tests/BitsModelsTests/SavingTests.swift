import BitsCheckpoints
import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsQuant
import BitsSystem
import Testing
import _BitsTestSupport

@Suite("Saving a model from memory")
struct SavingTests {
    private let ids = TokenBatch([3, 1, 4, 1, 5, 9, 2, 6])
    private let scratch: TemporaryFolder

    init() throws { scratch = try TemporaryFolder() }

    /// The files of a folder, by name.
    private func files(_ path: String) throws -> [String: [UInt8]] {
        var files: [String: [UInt8]] = [:]
        for name in try FileSystem.names(in: path) {
            let file = try MappedFile(path: "\(path)/\(name)")
            files[name] = Array(file.bytes(in: 0..<file.byteCount))
        }
        return files
    }

    private func same(_ a: String, _ b: String) throws {
        let (ours, theirs) = (try files(a), try files(b))
        #expect(ours.keys.sorted() == theirs.keys.sorted() && ours.count > 1)
        for (name, bytes) in theirs { #expect(ours[name] == bytes, "\(name)") }
    }

    static let quantizations: [ModelQuantization] = [
        ModelQuantization(.fourBit(.nf4)), ModelQuantization(.fourBit(.fp4, blockSize: .b128, doubleQuantization: false, storage: .bfloat16)),
        ModelQuantization(.int8(outlierThreshold: 0.1)), ModelQuantization(.fourBit(.nf4), embeddings: .fourBit(.nf4), head: .int8()),
        ModelQuantization(.int8(), head: .int8()), ModelQuantization(.int8(), skipping: ["down_proj"]),
    ]

    @Test("A model that was quantized while it was loaded is saved as a checkpoint is quantized, file by file", arguments: quantizations)
    func quantized(quantization: ModelQuantization) throws {
        let folder = try TinyFolder()
        try AtomicFile.write(Array("{\"eos_token_id\": 2}".utf8), to: "\(folder.path)/generation_config.json")
        let (ours, theirs) = ("\(scratch.path)/ours", "\(scratch.path)/theirs")
        try folder.load(LoadOptions(quantization)).save(to: ours)
        _ = try CheckpointQuantizer(ModelFolder(path: folder.path), to: quantization).write(to: theirs)
        try same(ours, theirs)
        let (again, twice) = (try LoadedModel(ModelFolder(path: ours)), "\(scratch.path)/twice")
        #expect(again.report.warnings == [])
        try again.save(to: twice)
        try same(twice, theirs)
    }

    @Test("One that is quantized after loading is, too")
    func quantizedLater() throws {
        let folder = try TinyFolder()
        let loaded = try folder.load()
        try loaded.model.quantize(to: .fourBit(.nf4))
        let (ours, theirs) = ("\(scratch.path)/ours", "\(scratch.path)/theirs")
        try loaded.save(to: ours)
        _ = try CheckpointQuantizer(ModelFolder(path: folder.path), to: ModelQuantization(.fourBit(.nf4))).write(to: theirs)
        try same(ours, theirs)
    }

    @Test("Weights are saved as they are in memory, over several files if they are large, and the whole comes at once")
    func changed() throws {
        let loaded = try TinyFolder().load()
        for (_, parameter) in loaded.model.namedParameters() where parameter.shape.count == 1 { parameter.value = parameter.value * 2 }
        let path = "\(scratch.path)/m"
        var shares: [Double] = []
        try loaded.save(to: path, maximumFileByteCount: 20_000) { shares.append($0) }
        #expect(shares.last == 1 && shares.count == loaded.model.namedParameters().count)
        let names = try FileSystem.names(in: path)
        #expect(names.contains("model.safetensors.index.json") && names.count { $0.hasSuffix(".safetensors") } > 1)
        let again = try LoadedModel(ModelFolder(path: path))
        #expect(try again.model.logits(ids).bytes() == loaded.model.logits(ids).bytes() && again.report.quantized == [])
        #expect(try FileSystem.names(in: scratch.path) == ["m"])
    }

    @Test("Layers that are quantized here and there are listed where no rule says which")
    func some() throws {
        let loaded = try TinyFolder().load()
        try loaded.model.quantize(to: .int8(), skipping: ["model.layers.1", "lm_head"])
        try loaded.save(to: "\(scratch.path)/m")
        let again = try LoadedModel(ModelFolder(path: "\(scratch.path)/m"))
        let skipped = try #require(try again.configuration.quantization?.skipModules)
        #expect(skipped.count == 8 && skipped.contains("lm_head") && skipped.contains("model.layers.1.mlp.up_proj"))
        #expect(again.report.warnings == [] && again.report.quantized.count == 7)
        #expect(try again.model.logits(ids).bytes() == loaded.model.logits(ids).bytes())
    }

    @Test("What a quantization section says besides stays")
    func section() throws {
        var section = BitsAndBytesConfig(.int8())
        section.offloadsInFloat32 = true
        let text = TinyModel.configurationText(["quantization_config": section.json.compactText])
        let loaded = try TinyFolder(configuration: text, tensors: TinyModel.quantizedTensors(.int8())).load()
        try loaded.save(to: "\(scratch.path)/m")
        #expect(try ModelConfiguration(ModelFolder(path: "\(scratch.path)/m")).quantization == section)
    }

    @Test("A place that is taken, weights that the family does not have, and scales that are infinite are refused, and nothing is left")
    func refused() throws {
        let loaded = try TinyFolder().load()
        try AtomicFile.write([1], to: "\(scratch.path)/file")
        #expect(throws: ModelFileError.self) { try loaded.save(to: "\(scratch.path)/file") }
        let block = try #require(loaded.model.namedModules().first { $0.module is any DecoderBlock }?.module as? any DecoderBlock)
        loaded.model.replaceModules { path, _ in path == "model.layers.0" ? Wrapped(block) : nil }
        let foreign = #expect(throws: ModelFileError.self) { try loaded.save(to: "\(scratch.path)/m") }
        #expect("\(foreign.map { "\($0)" } ?? "")".contains("'model.layers.0.inner.self_attn.q_proj.weight'"))
        var tensors = TinyModel.tensors
        tensors["model.layers.0.mlp.up_proj.weight"] = .full(.infinity, shape: [48, 32])
        let infinite = try TinyFolder(tensors: tensors).load(LoadOptions(quantization: .fourBit(.nf4)))
        let error = #expect(throws: ModelFileError.self) { try infinite.save(to: "\(scratch.path)/m") }
        #expect("\(error.map { "\($0)" } ?? "")".contains("'model.layers.0.mlp.up_proj.weight' holds numbers too large for nf4"))
        #expect(try FileSystem.names(in: scratch.path) == ["file"])
    }

    @Test("A model on a device whose memory the host cannot touch is saved alike")
    func otherDevice() throws {
        let folder = try TinyFolder()
        var options = LoadOptions(quantization: .fourBit(.nf4))
        try folder.load(options).save(to: "\(scratch.path)/a")
        options.device = .deferred()
        try folder.load(options).save(to: "\(scratch.path)/b")
        try same("\(scratch.path)/b", "\(scratch.path)/a")
    }
}

/// A block around another, of which checkpoints know nothing.
private final class Wrapped: Module, DecoderBlock {
    @Child("inner") var inner: any DecoderBlock

    init(_ inner: any DecoderBlock) {
        super.init()
        self.inner = inner
    }

    func callAsFunction(_ x: Tensor, _ pass: DecoderPass, layer: Int) -> Tensor { inner(x, pass, layer: layer) }
}
