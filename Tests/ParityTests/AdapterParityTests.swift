import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsOptim
import BitsTune
import Testing
import _BitsTestSupport

@Suite("Parity: LoRA adapters")
struct AdapterParityTests {
    /// A model with the adapter that PEFT saved, and row 0 with its next tokens.
    private struct Setting {
        let model: CausalLanguageModel
        let adapter: Adapter
        let ids: [Int32]

        init(_ example: ModelCase) throws {
            model = try LoadedModel(example.folder("model"), options: .tested()).model
            adapter = try Adapter(example.folder("adapter"), on: model)
            ids = example.rows[0]
        }

        /// The mean negative log-likelihood of each next token.
        func loss() -> Tensor {
            let (sum, count) = model.loss([ids])
            return sum * (1 / Float(count))
        }
    }

    /// Hands the recorded models that have an adapter to `compare`, with their answer `key`.
    ///
    /// - Parameter trains: whether the answer is of training.
    private func compare(_ key: String, trains: Bool, _ compare: (ModelCase, Tensor) throws -> Void) throws {
        try ModelCase.compare("adapter, \(key)") { example in
            guard try example.answer("logits_adapter") != nil else { return "no adapter was recorded" }
            if try trains && example.drops { return "the reference dropped activations at random" }
            try compare(example, try #require(try example.answer(key), "\(example.name): \(key)"))
            return nil
        }
    }

    @Test("Logits with the adapter are within 1e-4 of the largest")
    func logits() throws {
        try compare("logits_adapter", trains: false) { example, recorded in
            let setting = try Setting(example)
            let found = try distance(example.real(setting.model.logits(example.tokens)), example.real(recorded))
            #expect(found < 1e-4, "\(example.name)")
        }
    }

    @Test("The loss and all its gradients are the recorded ones, and there are no others")
    func gradients() throws {
        try compare("loss", trains: true) { example, recordedLoss in
            let setting = try Setting(example)
            let loss = setting.loss()
            #expect(try distance(loss.reshaped(1), recordedLoss) < 1e-5, "\(example.name)")
            loss.backward()
            var compared: Set<String> = []
            for (path, layer) in setting.adapter.layers {
                for (letter, parameter) in [("A", layer.down), ("B", layer.up)] {
                    let name = "grad/base_model.model.\(path).lora_\(letter).weight"
                    let recorded = try #require(try example.answer(name), "\(example.name): \(name)")
                    let gradient = try #require(parameter.gradient, "\(example.name): \(name)")
                    let found = try distance(gradient, recorded)
                    #expect(found < 1e-4, "\(example.name): \(name)")
                    compared.insert(name)
                }
            }
            #expect(compared == Set(example.answerNames.filter { $0.hasPrefix("grad/") }), "\(example.name)")
        }
    }

    @Test("Twelve steps of AdamW lose what was recorded")
    func trace() throws {
        try compare("trace", trains: true) { example, trace in
            let (recorded, setting) = (try trace.floats(), try Setting(example))
            let optimizer = try Optimizer(setting.adapter.parameters, rule: AdamW(learningRate: 1e-3, weightDecay: 0.01))
            let losses = try recorded.map { _ in
                defer { optimizer.clearGradients() }
                let loss = setting.loss()
                loss.backward()
                try optimizer.step()
                return try loss.item()
            }
            #expect(losses.last! < losses[0] - 0.1, "\(example.name)")
            for (step, (found, expected)) in zip(losses, recorded).enumerated() {
                #expect(abs(found / expected - 1) < 1e-5 * Float(step + 1), "\(example.name), step \(step)")
            }
        }
    }
}
