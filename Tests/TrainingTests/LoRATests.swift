import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsTune
import Testing
import _BitsTestSupport

@Suite("LoRA layers")
struct LoRATests {
    /// The tiny model with an adapter on its query projections.
    private func adapter(_ configuration: LoRAConfiguration) throws -> (model: CausalLanguageModel, adapter: Adapter) {
        let model = try TinyTraining(on: .cpu).model
        var generator = RandomGenerator(seed: 5)
        return (model, try Adapter(on: model, configuration, using: &generator))
    }

    @Test("The update is scaled by alpha over the rank; stabilized, over the rank's root", arguments: [(false, Float(0.5)), (true, 2)])
    func scale(isRankStabilized: Bool, scale: Float) throws {
        let configuration = LoRAConfiguration(rank: 16, alpha: 8, targets: .named(["q_proj"]), isRankStabilized: isRankStabilized)
        let adapter = try adapter(configuration).adapter
        let layer = try #require(adapter.layers[0].layer as? LoRALinear)
        var generator = RandomGenerator(seed: 6)
        layer.up.value = .normal(layer.up.shape, using: &generator)
        let x = Tensor.normal([3, layer.inFeatures], using: &generator)
        let update = x.linear(layer.down.value).linear(layer.up.value) * scale
        #expect(try distance(layer(x), layer.base(x) + update) < 1e-6)

        let folder = try TemporaryFolder()
        try adapter.save(to: "\(folder.path)/adapter")
        let file = try ModelFolder(path: "\(folder.path)/adapter").file("adapter_config.json")
        let read = try LoRAConfiguration(ConfigurationFields(file))
        #expect(read.isRankStabilized == isRankStabilized && read.scale == scale)
    }

    /// A layer that gives what dropout leaves of its input.
    private func bare(width: Int, dropout: Float) -> LoRALinear {
        let identity = Tensor((0..<width * width).map { $0 % (width + 1) == 0 ? Float(1) : 0 }, shape: [width, width])
        return LoRALinear(
            base: Linear(weight: Parameter(.zeros([width, width]))), down: Parameter(identity), up: Parameter(identity), scale: 1, dropout: dropout)
    }

    @Test("Dropout zeroes its share of the input and scales the rest; without a source, as in evaluation, it does nothing")
    func share() throws {
        let (layer, x) = (bare(width: 64, dropout: 0.25), Tensor.ones([200, 64]))
        #expect(try layer(x).floats() == x.floats())
        layer.dropoutSource = RandomGenerator(seed: 1)
        let found = try layer(x).floats()
        #expect(Set(found) == [0, 1 / 0.75])
        // Five standard deviations of the number of zeros, 49 each.
        #expect(abs(found.count { $0 == 0 } - 3200) < 245)
    }

    @Test("What is computed again drops the same, and so does the gradient")
    func recomputation() throws {
        let (layer, x) = (bare(width: 64, dropout: 0.5), Parameter(Tensor.ones([20, 64])))
        layer.dropoutSource = RandomGenerator(seed: 1)
        let y = layer(x.tensor)
        let kept = try y.floats()
        y.sum().backward()
        #expect(try x.gradient?.floats() == kept)
        x.gradient = nil
        let again = checkpointed { layer(x.tensor) }
        #expect(try again.floats() == kept)
        again.sum().backward()
        #expect(try x.gradient?.floats() == kept)
    }

    @Test("Masks are those of the seed, the pass and the layer")
    func masks() throws {
        let adapter = try adapter(LoRAConfiguration(rank: 2, dropout: 0.5, targets: .named(["q_proj"]))).adapter
        func mask(seed: UInt64, pass: Int, layer: Int) throws -> [Float] {
            adapter.setDropout(seed: seed, pass: pass)
            var source = try #require(adapter.layers[layer].layer.dropoutSource)
            return try Tensor.ones([512]).dropout(0.5, using: &source).floats()
        }
        let first = try mask(seed: 1, pass: 1, layer: 0)
        #expect(try mask(seed: 1, pass: 1, layer: 0) == first)
        for (seed, pass, layer) in [(1, 1, 1), (1, 2, 0), (2, 1, 0)] as [(UInt64, Int, Int)] {
            #expect(try mask(seed: seed, pass: pass, layer: layer) != first, "seed \(seed), pass \(pass), layer \(layer)")
        }
        adapter.removeDropout()
        #expect(adapter.layers.allSatisfy { $0.layer.dropoutSource == nil })
    }

    @Test("A run with dropout repeats with its seed, and is over with it")
    func runs() throws {
        func losses(dropout: Float, seed: UInt64 = 1) throws -> [Double] {
            let (model, adapter) = try adapter(LoRAConfiguration(rank: 2, dropout: dropout, targets: .named(["q_proj"])))
            // Without a warm-up the factors that start at zero carry the mask from the second step on.
            let options = TrainingOptions(duration: .steps(3), batches: BatchPlan(.examples(1)), warmupSteps: 0, seed: seed)
            defer { #expect(adapter.layers.allSatisfy { $0.layer.dropoutSource == nil }) }
            let data = try TrainingData([TokenizedExample(ids: [3, 1, 4, 1, 5, 9], completionStart: 2)])
            return try Trainer(model, training: TrainedWeights(adapter, in: model), on: data, options: options).losses()
        }
        let first = try losses(dropout: 0.5)
        #expect(try losses(dropout: 0.5) == first)
        #expect(try losses(dropout: 0.5, seed: 2) != first && losses(dropout: 0) != first)
    }
}
