import BitsCore
import BitsIO
import BitsModels
import BitsNN
import Testing
import _BitsTestSupport

@Suite("Blocks that are computed again on the way back")
struct RecomputationTests {
    /// A model whose norms and biases are trained.
    private static func model(layers: Int, device: Device = .cpu) -> CausalLanguageModel {
        var configuration = TinyModel.configuration
        configuration.layers = layers
        let model = TinyModel.llama(configuration, device: device)
        for (_, parameter) in model.namedParameters() { parameter.isTrainable = parameter.shape.count == 1 }
        return model
    }

    private static func pass(_ model: CausalLanguageModel, offloads: Bool = false) {
        let tokens = TokenBatch((0..<24).map { Int32($0) }, device: model.computeDevice)
        let loss = { model.hiddenStates(tokens, cache: nil).squared().sum() }
        (offloads ? offloadingBlockInputs(loss) : loss()).backward()
    }

    @Test("Gradients are the same bits")
    func gradients() throws {
        let (kept, recomputed) = (Self.model(layers: 3), Self.model(layers: 3))
        recomputed.recomputesBlocks = true
        Self.pass(kept)
        Self.pass(recomputed)
        for (a, b) in zip(kept.namedParameters(), recomputed.namedParameters()) {
            #expect(try b.parameter.gradient?.floats() == a.parameter.gradient?.floats(), "\(a.path)")
            #expect((a.parameter.gradient != nil) == a.parameter.isTrainable)
        }
    }

    @Test("Twelve layers take the memory of their inputs and of one")
    func peak() {
        func peak(layers: Int, recomputes: Bool) -> Int {
            let meter = Meter()
            let model = Self.model(layers: layers, device: meter.device)
            model.recomputesBlocks = recomputes
            return meter.peak { Self.pass(model) }
        }
        let (one, input) = (peak(layers: 1, recomputes: false), 24 * 32 * 4)
        let gradients = Self.model(layers: 12).namedParameters().filter(\.parameter.isTrainable).reduce(0) { $0 + 4 * $1.parameter.count }
        #expect(peak(layers: 12, recomputes: true) <= one + 12 * input + gradients)
        #expect(peak(layers: 12, recomputes: false) > 6 * one)
    }

    @Test("An encoder's gradients are the same bits, and all of its blocks but the last are computed again", arguments: ["bert", "deberta-v2"])
    func encoders(family: String) throws {
        var fields: JSONObject = family == "bert" ? ["model_type": "bert"] : TinyEncoders.deberta
        fields["num_hidden_layers"] = 5
        let configuration = try TinyEncoders.configuration(fields)
        func run(recomputes: Bool) throws -> (gradients: [[Float]?], copies: Int) {
            let device = Device.deferred()
            let model = try FeatureExtractor(configuration)
            model.randomize(seed: 1, device: device)
            for (_, parameter) in model.namedParameters() { parameter.isTrainable = true }
            model.recomputesBlocks = recomputes
            let tokens = TokenBatch([3, 1, 4, 15, 9, 2, 6], device: device)
            // An input that waits elsewhere is that of a block that runs again.
            offloadingBlockInputs { model.hiddenStates(tokens).squared().sum() }.backward()
            return (try model.namedParameters().map { try $0.parameter.gradient?.floats() }, device.counts.awayCopies)
        }
        let (kept, again) = (try run(recomputes: false), try run(recomputes: true))
        #expect(again.gradients == kept.gradients)
        #expect(kept.copies == 0 && again.copies == 4)
    }

    @Test("Inputs that wait in the host's memory change no bit, and twelve layers take the memory of four of them")
    func offloading() throws {
        func run(layers: Int, recomputes: Bool, offloads: Bool) throws -> (gradients: [[Float]], peak: Int, copies: Int) {
            let device = Device.deferred()
            let model = Self.model(layers: layers, device: device)
            model.recomputesBlocks = recomputes
            let before = device.memory.live.total
            device.memory.forgetPeak()
            Self.pass(model, offloads: offloads)
            let (peak, copies) = (device.memory.peak.total - before, device.counts.awayCopies)
            return (try model.namedParameters().compactMap { try $0.parameter.gradient?.floats() }, peak, copies)
        }
        let input = 24 * 32 * 4
        let (here, away) = (try run(layers: 12, recomputes: true, offloads: false), try run(layers: 12, recomputes: true, offloads: true))
        #expect(away.gradients == here.gradients)
        #expect(here.copies == 0 && away.copies == 11, "the last block's input is needed at once")
        #expect(away.peak <= here.peak - 8 * input)
        let kept = try run(layers: 3, recomputes: false, offloads: true)
        #expect(kept.copies == 0, "what is kept has no inputs that could go")
    }

    @Test("A computation that is walked back twice finds its inputs twice")
    func twice() throws {
        let device = Device.deferred()
        let weight = Parameter(Tensor([1, 2, 3] as [Float], device: device))
        let sum = offloadingBlockInputs {
            checkpointed(checkpointed(weight.tensor * weight.tensor) { $0 * weight.tensor }) { $0.squared() }.sum()
        }
        sum.backward(retainingGraph: true)
        let once = try #require(weight.gradient).floats()
        sum.backward()
        #expect(try weight.gradient?.floats() == once.map { 2 * $0 })
        #expect(once == [6, 192, 1458])
    }

    @Test("A cache is filled once, whatever is recomputed")
    func cache() throws {
        let model = Self.model(layers: 2)
        model.recomputesBlocks = true
        let cache = model.makeCache(capacity: 5)
        model.hiddenStates(TokenBatch([1, 2, 3], continuing: cache), cache: cache).squared().sum().backward()
        #expect(cache.length == 3)
    }
}
