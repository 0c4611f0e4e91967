import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsSystem
import BitsTune
import Testing
import _BitsTestSupport

/// Adapters of every kind that PEFT saved, on the models that they were made for.
@Suite("Parity: kinds of LoRA adapters")
struct AdapterKindParityTests {
    private struct Example {
        let name: String
        let folder: String
        let notes: ConfigurationFields
        let answers: SafetensorsFile

        init(_ name: String, in parent: String) throws {
            (self.name, folder) = (name, "\(parent)/\(name)")
            notes = try ConfigurationFields(ModelFolder(path: folder).file("reference.json"))
            answers = try SafetensorsFile(path: "\(folder)/reference.safetensors")
        }

        var rows: [[Int32]] {
            get throws {
                let ids = try #require(try answer("input_ids"))
                let values = try ids.integers().map { Int32($0) }
                return stride(from: 0, to: values.count, by: ids.shape[1]).map { Array(values[$0..<$0 + ids.shape[1]]) }
            }
        }

        var tokens: TokenBatch {
            get throws { TokenBatch(try rows, mask: try rows.map { $0.map { _ in true } }, device: .tested) }
        }

        func answer(_ key: String) throws -> Tensor? { try answers[key].map { try answers.tensor($0) } }

        func model() throws -> CausalLanguageModel {
            let folder = try ModelFolder(path: "\(ParityCases.folder)/adapters/\(notes.require("base", as: String.self))")
            return try LoadedModel(folder, options: .tested()).model
        }

        /// The adapters of the case, weighed as they were.
        func adapters(on model: TaskModel) throws -> [Adapter] {
            let first = try Adapter(ModelFolder(path: "\(folder)/adapter"), on: model)
            guard FileSystem.kind(of: "\(folder)/other-adapter") == .folder else { return [first] }
            let second = try Adapter(ModelFolder(path: "\(folder)/other-adapter"), on: model)
            let scales = try #require(try notes.section("scales"))
            first.weight = try scales.require("default")
            second.weight = try scales.require("other")
            return [first, second]
        }
    }

    private func compare(_ name: String, _ compare: (Example) throws -> String?) throws {
        let parent = "\(ParityCases.folder)/adapters"
        let names = try FileSystem.names(in: parent).sorted().filter { FileSystem.kind(of: "\(parent)/\($0)/reference.json") == .file }
        try ParityTally.compare("kinds of adapters, \(name)", names.map { try Example($0, in: parent) }, compare)
    }

    @Test("Logits are within 1e-5 of the largest: with the adapter, without it, with it again")
    func logits() throws {
        try compare("logits") { example in
            let model = try example.model()
            let tokens = try example.tokens
            let (recorded, bare) = (try #require(try example.answer("logits")), try #require(try example.answer("logits_base")))
            #expect(try distance(model.logits(tokens), bare) < 1e-5, "\(example.name): before")
            let adapters = try example.adapters(on: model)
            #expect(try distance(model.logits(tokens), recorded) < 1e-5, "\(example.name)")
            for adapter in adapters { adapter.isEnabled = false }
            #expect(try distance(model.logits(tokens), bare) < 1e-5, "\(example.name): disabled")
            for adapter in adapters { adapter.isEnabled = true }
            #expect(try distance(model.logits(tokens), recorded) < 1e-5, "\(example.name): enabled")
            for adapter in adapters { try adapter.remove(from: model) }
            #expect(try distance(model.logits(tokens), bare) < 1e-5, "\(example.name): removed")
            #expect(!model.namedModules().contains { $0.module is any LoRALayer }, "\(example.name)")
            return nil
        }
    }

    @Test("The loss, all its gradients and the count of what is trained are the recorded ones")
    func gradients() throws {
        try compare("gradients") { example in
            guard let recordedLoss = try example.answer("loss") else { return "no gradients of several adapters" }
            let model = try example.model()
            let adapter = try #require(try example.adapters(on: model).first)
            let (sum, count) = model.loss([try example.rows[0]])
            let loss = sum * (1 / Float(count))
            #expect(try distance(loss.reshaped(1), recordedLoss) < 1e-5, "\(example.name)")
            loss.backward()
            var compared: Set<String> = []
            for (path, parameter) in model.namedParameters() {
                guard let gradient = parameter.gradient else { continue }
                var name = "grad/base_model.model.\(path)"
                if path.hasSuffix("lora_magnitude_vector") { name += ".weight" }
                let recorded = try #require(try example.answer(name), "\(example.name): \(name)")
                #expect(try distance(gradient, recorded) < 2e-5, "\(example.name): \(name)")
                compared.insert(name)
            }
            #expect(compared == Set(example.answers.entries.map(\.name).filter { $0.hasPrefix("grad/") }), "\(example.name)")
            #expect(compared.count == adapter.parameters.count, "\(example.name)")
            #expect(try "\(adapter.counts(in: model))" == example.notes.require("report", as: String.self), "\(example.name)")
            let plan = try AdapterPlan(adapter.configuration, for: example.model())
            #expect(plan.counts(in: try example.model()) == adapter.counts(in: model), "\(example.name)")
            return nil
        }
    }

    @Test("The merged model gives the recorded logits, in plain layers")
    func merged() throws {
        try compare("merged") { example in
            let model = try example.model()
            let tokens = try example.tokens
            for adapter in try example.adapters(on: model).reversed() { adapter.merge(into: model) }
            #expect(!model.namedModules().contains { $0.module is any LoRALayer }, "\(example.name)")
            #expect(model.trainableParameters().isEmpty, "\(example.name)")
            // Merging changes the head there, where that shares the table of an adapted embedding; here it computes what the adapted model did.
            let key = example.name == "embedding-tied" ? "logits" : "logits_merged"
            #expect(try distance(model.logits(tokens), try #require(try example.answer(key))) < 1e-5, "\(example.name)")
            return nil
        }
    }

    /// `BNB_SAVED_ADAPTERS` names a folder that keeps what is saved, for `Tools/verify-with-peft`.
    @Test("An adapter that is saved again gives the same logits, and PEFT's entries where its start did not change the base")
    func saved() throws {
        try compare("saved") { example in
            let model = try example.model()
            let tokens = try example.tokens
            let adapters = try example.adapters(on: model)
            let scratch = try TemporaryFolder()
            for (index, adapter) in adapters.enumerated() { try adapter.save(to: "\(scratch.path)/\(index)") }
            if let kept = FileSystem.environment("BNB_SAVED_ADAPTERS"), adapters.count == 1 { try adapters[0].save(to: "\(kept)/\(example.name)") }
            let fresh = try example.model()
            for (index, adapter) in adapters.enumerated() {
                let again = try Adapter(ModelFolder(path: "\(scratch.path)/\(index)"), on: fresh)
                again.weight = adapter.weight
            }
            #expect(try distance(fresh.logits(tokens), try #require(try example.answer("logits"))) < 1e-5, "\(example.name)")
            guard adapters[0].layers.allSatisfy({ $0.layer.start == nil }) else { return nil }
            let (ours, theirs) = (
                try Checkpoint(ModelFolder(path: "\(scratch.path)/0"), name: "adapter_model"),
                try Checkpoint(ModelFolder(path: "\(example.folder)/adapter"), name: "adapter_model")
            )
            // PEFT adds the base's table where a vocabulary is adapted.
            let expected = theirs.names.filter { !$0.hasSuffix(".base_layer.weight") }
            #expect(ours.names == expected, "\(example.name)")
            for name in expected { #expect(try ours.tensor(name)?.bytes() == theirs.tensor(name)?.bytes(), "\(example.name): \(name)") }
            return nil
        }
    }
}
