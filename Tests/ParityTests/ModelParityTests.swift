import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("Parity: models")
struct ModelParityTests {
    @Test("All families that are recorded can be loaded")
    func coverage() throws {
        let recorded = try ModelCase.families()
        let known: Set = [
            "bert", "bloom", "deberta-v2", "gemma2", "gemma3_text", "gpt2", "llama", "mistral", "mixtral", "opt", "phi3", "qwen2", "qwen3",
            "qwen3_moe",
        ]
        #expect(recorded.isSuperset(of: known))
        #expect(recorded.isSubset(of: ModelRegistry.families))
    }

    @Test("Logits in float32 are within 1e-4 of the largest, those of padding too")
    func float32() throws {
        try ModelCase.compare("logits") { example in
            let recorded = try #require(try example.answer("logits"), "\(example.name) has no logits")
            let model = try LoadedModel(example.folder("model"), options: .tested()).model
            let logits = model.logits(example.tokens)
            #expect(try distance(example.real(logits), example.real(recorded)) < 1e-4, "\(example.name)")
            // Where nobody looks, windows count from the last real token here and from the padding there, and padding has positions here and none there.
            if try !example.seesPaddingOtherwise { #expect(try distance(logits, recorded) < 1e-4, "\(example.name)") }
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
            let loaded = try LoadedModel(example.folder("model"), options: .tested(form.quantization))
            #expect(!loaded.report.quantized.isEmpty, "\(example.name)")
            let found = try distance(example.real(loaded.model.logits(example.tokens)), example.real(recorded))
            #expect(found < form.limit, "\(example.name) in \(form.name)")
        }
    }

    /// The same for answers of the reference on a processor, whose codes follow coarser rules.
    static let processorForms: [(name: String, quantization: Quantization, limit: Double)] = [
        ("nf4", .fourBit(.nf4), 2e-2), ("int8", .int8(), 3e-2),
    ]

    @Test("Models that no GPU has answered for are as close to what a processor answered", arguments: processorForms.indices)
    func quantizedHereBesideProcessor(index: Int) throws {
        let form = ModelParityTests.processorForms[index]
        try ModelCase.compare("quantized here, logits_\(form.name) of a processor") { example in
            guard try example.gpuAnswer("logits_\(form.name)") == nil else { return "a GPU has answered" }
            if try example.hasExperts { return "the reference leaves experts in floating point" }
            guard let recorded = try example.answer("logits_\(form.name)") else { return "no answer" }
            let model = try LoadedModel(example.folder("model"), options: .tested(form.quantization)).model
            let found = try distance(example.real(model.logits(example.tokens)), example.real(recorded))
            #expect(found < form.limit, "\(example.name) in \(form.name)")
            return nil
        }
    }

    @Test("A checkpoint that the reference quantized gives logits close to the recorded ones", arguments: forms.indices)
    func quantizedThere(index: Int) throws {
        let form = ModelParityTests.forms[index]
        try ModelCase.compareGPU("quantized there", "logits_\(form.name)") { example, recorded in
            let loaded = try LoadedModel(example.folder("cuda/model-\(form.name)"), options: .tested())
            let count = try Checkpoint(example.folder("cuda/model-\(form.name)")).quantizedPaths.count
            #expect(count > 0 && loaded.report.quantized.count == count, "\(example.name)")
            // Tiny vocabularies lack the end tokens of their families.
            let endTokens = loaded.generation.warnings(vocabularySize: loaded.model.vocabularySize)
            #expect(loaded.report.unused == [] && loaded.report.warnings == endTokens, "\(example.name)")
            let found = try distance(example.real(loaded.model.logits(example.tokens)), example.real(recorded))
            #expect(found < form.limit, "\(example.name) in \(form.name)")
        }
    }

    @Test("So does a checkpoint that it quantized on a processor, where no GPU has answered", arguments: processorForms.indices)
    func quantizedThereOnProcessor(index: Int) throws {
        let form = ModelParityTests.processorForms[index]
        try ModelCase.compare("quantized there, logits_\(form.name) of a processor") { example in
            guard try example.gpuAnswer("logits_\(form.name)") == nil else { return "a GPU has answered" }
            guard let folder = try example.quantizedFolder(form.name) else { return "no checkpoint was recorded" }
            if try example.hasExperts { return "the reference leaves experts in floating point" }
            let recorded = try #require(try example.answer("logits_\(form.name)"))
            let loaded = try LoadedModel(folder, options: .tested())
            #expect(try loaded.report.quantized.count == Checkpoint(folder).quantizedPaths.count && loaded.report.unused == [], "\(example.name)")
            let found = try distance(example.real(loaded.model.logits(example.tokens)), example.real(recorded))
            #expect(found < form.limit, "\(example.name) in \(form.name)")
            return nil
        }
    }

    @Test("A checkpoint that the reference quantized is saved again with every entry as it was, experts left out", arguments: forms.map(\.name))
    func savedAgain(form: String) throws {
        try ModelCase.compare("saved again, \(form)") { example in
            guard let folder = try example.quantizedFolder(form) else { return "no checkpoint was recorded" }
            let scratch = try TemporaryFolder()
            try LoadedModel(folder).save(to: "\(scratch.path)/m")
            let (before, after) = (try Checkpoint(folder), try Checkpoint(ModelFolder(path: "\(scratch.path)/m")))
            // Experts are in floating point there, and quantized here when they are read.
            let names = before.names.filter { !$0.contains(".experts.") }
            #expect(after.names.filter { !$0.contains(".experts.") } == names && !before.quantizedPaths.isEmpty, "\(example.name)")
            for name in names {
                let (found, expected) = (try after.tensor(name), try before.tensor(name))
                let same = try found?.bytes() == expected?.bytes() && found?.shape == expected?.shape && found?.dtype == expected?.dtype
                #expect(same, "\(example.name): \(name)")
            }
            return nil
        }
    }

    @Test("The most likely continuation is the recorded one, token for token")
    func greedy() throws {
        try ModelCase.compare("greedy") { example in
            guard let recorded = try example.answer("greedy")?.integers().map({ Int32($0) }) else {
                return "the reference changes frequencies midway"
            }
            let model = try LoadedModel(example.folder("model"), options: .tested()).model
            let result = try model.generate(Array(example.rows[0].prefix(8)), options: GenerationOptions(maxNewTokens: recorded.count))
            #expect(result.tokens == recorded, "\(example.name)")
            return nil
        }
    }

    @Test("Prompts that are read together are continued as each alone")
    func together() throws {
        try ModelCase.compare("prompts together") { example in
            let model = try LoadedModel(example.folder("model"), options: .tested()).model
            let prompts = [8, 1, 20, 5, 3].map { Array(example.rows[0].prefix($0)) }
            // With one capacity, as LongRoPE's angles go by it.
            func continued(_ prompts: [[Int32]]) throws -> [[Int]] {
                let decoder = Decoder(model, seeds: prompts.map { _ in 0 }, capacity: 24)
                decoder.start(with: prompts)
                var tokens = [try decoder.latest().integers()]
                for _ in 0..<3 {
                    decoder.step()
                    tokens.append(try decoder.latest().integers())
                }
                return prompts.indices.map { prompt in tokens.map { $0[prompt] } }
            }
            #expect(try continued(prompts) == prompts.flatMap { try continued([$0]) }, "\(example.name)")
            return nil
        }
    }
}
