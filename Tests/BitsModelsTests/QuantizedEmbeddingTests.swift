import BitsCore
import BitsModels
import BitsNN
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("Models with quantized embeddings and heads")
struct QuantizedEmbeddingTests {
    private let ids = TokenBatch([3, 1, 4, 1, 5, 9, 2, 6])

    @Test("Llama-3.1-8B in NF4 with double quantization takes 5.702 GB, 4.14 GB with embedding and head, and asking takes none")
    func footprint() {
        let before = Device.cpu.allocatedByteCount
        let configuration = LlamaConfiguration(
            vocabularySize: 128_256, width: 4096, innerWidth: 14_336, layers: 32, heads: 32, keyValueHeads: 8, contextLength: 131_072)
        let model = Llama.languageModel(configuration)
        let form = Quantization.fourBit(.nf4)
        let usual = model.footprint(quantizedTo: form, dtype: .bfloat16)
        #expect(usual.parameterCount == 8_030_261_248)
        #expect(usual.byteCount == 5_702_295_552)
        let all = model.footprint(quantizedTo: form, embeddings: form, head: form, dtype: .bfloat16)
        #expect((Double(all.byteCount) / 1e7).rounded() == 414)
        #expect(model.footprint(quantizedTo: form, embeddings: form, skipping: [], dtype: .bfloat16) == all)
        #expect(model.footprint(quantizedTo: nil, dtype: .bfloat16).byteCount == 2 * 8_030_261_248)
        // Far below the model, far above what the tests beside this one take.
        #expect(Device.cpu.allocatedByteCount - before < 1 << 30)
    }

    @Test("A checkpoint loads with its embedding in 4 bits and its head in 8, and computes what layers made one by one do")
    func mixed() throws {
        let form = Quantization.fourBit(.nf4)
        let loaded = try TinyFolder().load(LoadOptions(quantization: form, embeddings: form, head: .int8(outlierThreshold: 5)))
        #expect(loaded.report.quantized.count == 16 && loaded.report.kept == [] && loaded.report.warnings == [])
        #expect(loaded.report.quantized.first?.path == "model.embed_tokens" && loaded.report.quantized.last?.form == "int8")
        #expect(loaded.model.backbone.embedding is Embedding4bit && (loaded.model.head as? Linear8bitLt)?.outlierThreshold == 5)
        let reference = TinyModel.llama()
        try reference.replaceModules { path, module in
            if path == "lm_head" { return (module as? Linear).map { Linear8bitLt($0, outlierThreshold: 5) } }
            if let table = module as? Embedding { return try Embedding4bit(table, doubleQuantization: true) }
            return try (module as? Linear).map { try Linear4bit($0) }
        }
        #expect(try loaded.model.logits(ids).bytes() == reference.logits(ids).bytes())
        #expect(try loaded.model.generate([1, 2, 3], options: GenerationOptions()).tokens.isEmpty == false)
    }

    @Test("A head that is skipped stays as it is, whatever is asked of heads")
    func skippedHead() throws {
        let loaded = try TinyFolder().load(LoadOptions(quantization: .int8(), head: .int8(), skipping: ["lm_head"]))
        #expect(loaded.model.head is Linear && loaded.report.kept.map(\.path) == ["lm_head"])
    }

    @Test("A checkpoint that is quantized already takes what is asked of its embedding and head")
    func stored() throws {
        let loaded = try TinyFolder(quantized: .fourBit(.nf4)).load(LoadOptions(embeddings: .int8(), head: .int8()))
        #expect(loaded.model.backbone.embedding is Embedding8bit && loaded.model.head is Linear8bitLt && loaded.report.warnings == [])
    }

    @Test("Blocks are replaced like layers")
    func blocks() throws {
        let model = TinyModel.llama()
        let expected = try model.logits(ids).bytes()
        model.replaceModules { _, module in (module as? any DecoderBlock).map { Counted($0) } }
        #expect(try model.logits(ids).bytes() == expected)
        let counted = model.namedModules().compactMap { $0.module as? Counted }
        #expect(counted.map(\.calls) == [1, 1])
        #expect(model.namedParameters().first { $0.path == "model.layers.1.block.mlp.up_proj.weight" } != nil)
    }
}

/// A block around another.
private final class Counted: Module, DecoderBlock {
    @Child("block") var block: any DecoderBlock
    private(set) var calls = 0

    init(_ block: any DecoderBlock) {
        super.init()
        self.block = block
    }

    func callAsFunction(_ x: Tensor, _ pass: DecoderPass, layer: Int) -> Tensor {
        calls += 1
        return block(x, pass, layer: layer)
    }
}
