import BitsCore
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

    private static func pass(_ model: CausalLanguageModel) {
        let tokens = TokenBatch((0..<24).map { Int32($0) }, device: model.computeDevice)
        model.hiddenStates(tokens, cache: nil).squared().sum().backward()
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

    @Test("A cache is filled once, whatever is recomputed")
    func cache() throws {
        let model = Self.model(layers: 2)
        model.recomputesBlocks = true
        let cache = model.makeCache(capacity: 5)
        model.hiddenStates(TokenBatch([1, 2, 3], continuing: cache), cache: cache).squared().sum().backward()
        #expect(cache.length == 3)
    }
}
