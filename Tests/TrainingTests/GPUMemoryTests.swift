import BitsCore
import BitsIO
import BitsKernels
import BitsModels
import BitsNN
import BitsOptim
import CLexicon
import Testing
import _BitsTestSupport

@testable import BitsTune

/// A GPU that may hold only so much fails where it has to and nowhere else.
@Suite("Memory of a GPU that runs out", .enabled(if: Device.hasCUDA))
struct GPUMemoryTests {
    private static func model(on device: Device) throws -> CausalLanguageModel {
        clexicon_link()
        return try LoadedModel(ModelFolder("lexicon-5m"), options: LoadOptions(device: device)).model
    }

    /// Bytes of the model's weights on a GPU.
    private static func weights() throws -> Int {
        let device = try Device.cuda(memoryLimit: .max)
        return try withExtendedLifetime(model(on: device)) { device.memory.live.total }
    }

    /// Prompts of 250 tokens each.
    private static func prompts(_ count: Int) -> [[Int32]] { (0..<count).map { row in (0..<250).map { Int32(($0 * 37 + row) % 500) } } }

    @Test("A prompt that does not fit is one error, and others are answered as ever")
    func prefill() throws {
        let device = try Device.cuda(memoryLimit: try Self.weights() + 64 << 20)
        let model = try Self.model(on: device)
        func logits(_ model: CausalLanguageModel, _ prompts: [[Int32]], on device: Device) throws -> [Float] {
            try noGradient { model.logits(TokenBatch(packing: prompts, device: device)) }.floats()
        }
        let whole = try Device.cuda(memoryLimit: .max)
        let expected = try logits(Self.model(on: whole), Self.prompts(1), on: whole)
        for _ in 0..<2 {
            #expect {
                _ = try logits(model, Self.prompts(100), on: device)
            } throws: { error in
                guard case DeviceError.outOfMemory(byteCount: _, device: "cuda:0", held: let held) = error else { return false }
                return held[.weights] > 0
            }
            #expect(try logits(model, Self.prompts(1), on: device) == expected)
        }
    }

    @Test("A step that does not fit is one error, and a smaller batch trains on")
    func step() throws {
        // Gradients take as much as weights, moments in 8 bits half of that.
        let device = try Device.cuda(memoryLimit: 4 * Self.weights() + 64 << 20)
        let model = try Self.model(on: device)
        model.setTrainable(true)
        let optimizer = try Optimizer(model.trainableParameters(), rule: AdamW(learningRate: 1e-3), moments: .blockwise8bit())
        func loss(_ prompts: Int) throws -> Float {
            defer { optimizer.clearGradients() }
            return try optimizer.step {
                let (sum, count) = model.loss(Self.prompts(prompts))
                let mean = sum * (1 / Float(count))
                mean.backward()
                return mean
            }.item()
        }
        let first = try loss(1)
        #expect(throws: (any Error).self) { try loss(200) }
        try device.synchronize()
        #expect(try loss(1) < first - 0.1)
    }

    @Test("Training whose moments do not fit is done with paged ones, to the same bytes")
    func paging() throws {
        func run(on device: Device, _ moments: MomentStorage) throws -> (weights: [[UInt8]], paging: PagingCounters?) {
            let model = try Self.model(on: device)
            let weights = try TrainedWeights(of: model)
            let options = TrainingOptions(duration: .steps(3), batches: BatchPlan(.examples(4)), moments: moments, warmupSteps: 0)
            let trainer = try Trainer(model, training: weights, on: TrainingData(RunFixture.examples(12)), options: options)
            try trainer.run()
            return (try weights.parameters.map { try $0.parameter.value.bytes() }, trainer.optimizer.paging)
        }
        let whole = try Device.cuda(memoryLimit: .max)
        let expected = try run(on: whole, .float32).weights
        let peak = whole.memory.peak
        let small = try Device.cuda(memoryLimit: peak.total - peak[.moments] / 2)
        #expect {
            _ = try run(on: small, .float32)
        } throws: { error in
            guard case TrainingError.failed(step: _, .outOfMemory, checkpoint: nil) = error else { return false }
            return true
        }
        let again = try Device.cuda(memoryLimit: peak.total - peak[.moments] / 2)
        let paged = try run(on: again, MomentStorage.float32.paged(Paging(minimumCount: 1000)))
        #expect(paged.weights == expected)
        let counters = try #require(paged.paging)
        #expect(counters.bytesOut > 0 && counters.residentByteCount > 0)
    }
}
