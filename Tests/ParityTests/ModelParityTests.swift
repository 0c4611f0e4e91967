import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("Parity: models")
struct ModelParityTests {
    @Test("Llama and Mistral are recorded, and the families that are not there yet are these")
    func coverage() throws {
        let missing: Set = ["bert", "bloom", "deberta-v2", "gpt2", "opt", "qwen2", "qwen3"]
        let recorded = try ModelCase.families()
        #expect(recorded.isSuperset(of: ["llama", "mistral"]))
        #expect(recorded.subtracting(ModelRegistry.families).isSubset(of: missing))
        #expect(missing.isDisjoint(with: ModelRegistry.families), "a family that is there now belongs among those that are compared")
    }

    @Test("Logits in float32 are within 1e-4 of the largest, those of padding too")
    func float32() throws {
        try ModelCase.compare("logits") { example in
            let recorded = try #require(try example.answer("logits"), "\(example.name) has no logits")
            let model = try LoadedModel(example.folder("model")).model
            let logits = model.logits(example.tokens)
            #expect(try distance(example.real(logits), example.real(recorded)) < 1e-4, "\(example.name)")
            // A window counts from the last real token here and from the padding there, where nobody looks.
            if example.modelType != "mistral" { #expect(try distance(logits, recorded) < 1e-4, "\(example.name)") }
            return nil
        }
    }

    /// How far logits may be from the recorded ones, of the largest: the reference computes int8 through float16.
    static let forms: [(name: String, quantization: Quantization, limit: Double)] = [
        ("nf4", .fourBit(.nf4), 2e-3), ("int8", .int8(), 3e-2),
    ]

    @Test("A model quantized while it is loaded gives logits close to the recorded ones", arguments: forms.indices)
    func quantizedHere(index: Int) throws {
        let form = ModelParityTests.forms[index]
        try ModelCase.compareGPU("quantized here", "logits_\(form.name)") { example, recorded in
            let loaded = try LoadedModel(example.folder("model"), options: LoadOptions(quantization: form.quantization))
            #expect(!loaded.report.quantized.isEmpty, "\(example.name)")
            let found = try distance(example.real(loaded.model.logits(example.tokens)), example.real(recorded))
            #expect(found < form.limit, "\(example.name) in \(form.name)")
        }
    }

    @Test("A checkpoint that the reference quantized gives logits close to the recorded ones", arguments: forms.indices)
    func quantizedThere(index: Int) throws {
        let form = ModelParityTests.forms[index]
        try ModelCase.compareGPU("quantized there", "logits_\(form.name)") { example, recorded in
            let loaded = try LoadedModel(example.folder("cuda/model-\(form.name)"))
            let count = try Checkpoint(example.folder("cuda/model-\(form.name)")).quantizedPaths.count
            #expect(count > 0 && loaded.report.quantized.count == count, "\(example.name)")
            #expect(loaded.report.unused == [] && loaded.report.warnings == [], "\(example.name)")
            let found = try distance(example.real(loaded.model.logits(example.tokens)), example.real(recorded))
            #expect(found < form.limit, "\(example.name) in \(form.name)")
        }
    }

    @Test("The most likely continuation is the recorded one, token for token")
    func greedy() throws {
        try ModelCase.compare("greedy") { example in
            let recorded = try #require(try example.answer("greedy"), "\(example.name) has no greedy continuation").integers().map { Int32($0) }
            let model = try LoadedModel(example.folder("model")).model
            let result = try model.generate(Array(example.rows[0].prefix(8)), options: GenerationOptions(maxNewTokens: recorded.count))
            #expect(result.tokens == recorded, "\(example.name)")
            return nil
        }
    }
}
