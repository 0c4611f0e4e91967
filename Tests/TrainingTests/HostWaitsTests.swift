import BitsCore
import BitsModels
import BitsOptim
import BitsTune
import Testing
import _BitsTestSupport

@Suite("What a training run waits for")
struct HostWaitsTests {
    private func run(
        on device: Device, steps: Int, onStep: @escaping (TrainingStep, Trainer) -> Void = { _, _ in }
    ) throws -> [Double] {
        let training = try TinyTraining(on: device)
        var generator = RandomGenerator(seed: 1)
        let adapter = try Adapter(on: training.model, LoRAConfiguration(rank: 2, alpha: 4), using: &generator)
        let options = TrainingOptions(
            duration: .steps(steps), batches: BatchPlan(.examples(2)), moments: .blockwise8bit(minimumCount: 0), warmupSteps: 1)
        let trainer = try Trainer(training.model, training: TrainedWeights(adapter, in: training.model), on: data(), options: options)
        if device != .cpu { device.forgetCounts() }
        return try trainer.losses { [unowned trainer] in onStep($0, trainer) }
    }

    private func data() throws -> TrainingData {
        try TrainingData((0..<5).map { TokenizedExample(ids: [3, 1, 4, 1, 5, 9, $0], completionStart: 2) })
    }

    @Test("A step of QLoRA with 8-bit moments and clipping waits for no more than loss and norm of the step before")
    func lateLosses() throws {
        let device = Device.deferred()
        var reported: [(step: Int, counts: DeferredCounts)] = []
        let losses = try run(on: device, steps: 4) { step, _ in reported.append((step.step, device.counts)) }
        #expect(reported.map(\.step) == [1, 2, 3, 4])
        #expect(reported.map { $0.counts.kernels["optimizer_step"] } == [2, 3, 4, 4])
        #expect(reported.map(\.counts.lateReads) == [2, 4, 6, 8])
        #expect(device.counts.hostWaits == 8)
        #expect(device.counts.referenceRuns == [:])
        for (found, expected) in zip(losses, try run(on: .cpu, steps: 4)) { #expect(abs(found - expected) < 2e-3) }
    }

    @Test("Evaluation waits once a pass, for the loss of the pass before")
    func evaluation() throws {
        let device = Device.deferred()
        let model = try TinyTraining(on: device).model
        let windows = try EvaluationWindows((0..<21).map { $0 % 7 }, length: 7, model: model)
        device.forgetCounts()
        var reported: [DeferredCounts] = []
        let found = try model.evaluate(windows, tokensPerPass: 7) { _ in reported.append(device.counts) }
        #expect(reported.map { $0.kernels["cross_entropy"] } == [2, 3, 3])
        #expect(reported.map(\.lateReads) == [1, 2, 3])
        #expect(device.counts.hostWaits == 3)
        let (same, expected) = (try TinyTraining(on: .cpu).model, found.nll)
        #expect(try abs(same.evaluate(EvaluationWindows((0..<21).map { $0 % 7 }, length: 7, model: same)).nll - expected) < 2e-3)
    }

    @Test("The mean over completions waits once a batch")
    func completions() throws {
        let device = Device.deferred()
        let model = try TinyTraining(on: device).model
        device.forgetCounts()
        let batches = try model.meanLoss(of: data(), batches: .examples(2))
        #expect(device.counts.lateReads == 3 && device.counts.hostWaits == 3)
        #expect(try abs(model.meanLoss(of: data()) - batches) < 1e-5)
    }

    @Test("A run that is told to end takes the step that was submitted, and returns its loss", arguments: [true, false])
    func early(isDeferred: Bool) throws {
        var reported: [Int] = []
        func device() -> Device { isDeferred ? .deferred() : .cpu }
        let losses = try run(on: device(), steps: 6) { step, trainer in
            reported.append(step.step)
            if step.step == 2 { trainer.stop() }
        }
        // The deferred device is told of its second step once the third has been submitted.
        #expect(reported == Array(1...(isDeferred ? 3 : 2)))
        #expect(try losses == run(on: device(), steps: reported.count))
    }

    @Test("Where a step is taken at once its loss is told before the next one begins")
    func atOnce() throws {
        var told: [[Int]] = []
        _ = try run(on: .cpu, steps: 3) { told.append([$0.step, $1.progress.step]) }
        #expect(told == [[1, 1], [2, 2], [3, 3]])
    }
}
