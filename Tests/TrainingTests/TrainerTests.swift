import BitsCore
import BitsModels
import BitsNN
import BitsOptim
import BitsQuant
import Testing
import _BitsTestSupport

@testable import BitsTune

@Suite("The trainer")
struct TrainerTests {
    @Test("Gradients of several batches are those of one large batch, however the learned tokens are spread over them")
    func accumulation() throws {
        func values(_ batch: Int, _ accumulation: Int) throws -> (losses: [Double], values: [[Float]]) {
            var options = RunFixture.options
            (options.batches, options.accumulation, options.moments) = (BatchPlan(.examples(batch)), accumulation, .float32)
            let run = try RunFixture(options, examples: 12, adapter: LoRAConfiguration(rank: 2, alpha: 4))
            return (try run.trainer.losses(), try run.values())
        }
        let (large, small) = (try values(6, 1), try values(2, 3))
        #expect(large.losses.count == 8)
        for (a, b) in zip(large.losses, small.losses) { #expect(abs(a - b) < 1e-6 * a) }
        for (a, b) in zip(large.values.joined(), small.values.joined()) { #expect(abs(a - b) < 1e-5) }
        #expect(try values(3, 1).losses != large.losses)
    }

    @Test("Padded batches have the loss of packed ones, and so has a batch in another order", arguments: [true, false])
    func padding(reverses: Bool) throws {
        let (model, examples) = (try TinyTraining(on: .cpu).model, RunFixture.examples(9))
        let packed = try noGradient { try model.loss(examples).item() }
        let other = try noGradient { try model.loss(reverses ? examples.reversed() : examples, pads: true).item() }
        // Sums of a few dozen losses, in float32 and another order.
        #expect(abs(packed - other) < 1e-4)
        let alone = try examples.map { example in try noGradient { try model.loss([example]).item() } }
        #expect(abs(alone.reduce(0, +) - packed) < 1e-4)
    }

    @Test("A run takes its epochs, parts of them included, and tells where it is")
    func epochs() throws {
        var options = RunFixture.options
        options.duration = .epochs(1.5)
        let run = try RunFixture(options)
        var steps: [TrainingStep] = []
        run.trainer.observers.append { if case .step(let step) = $0 { steps.append(step) } }
        let summary = try run.trainer.run()
        // Eleven examples are three steps of four at most, half of them two.
        #expect(steps.map(\.step) == [1, 2, 3, 4, 5] && steps.allSatisfy { $0.steps == 5 })
        #expect(steps.map { ($0.epoch * 11).rounded() } == [4, 8, 11, 15, 19])
        #expect(steps.last?.tokens == summary.tokens && summary.tokens == summary.progress.tokens)
        #expect(summary.end == .finished && summary.progress.step == 5 && summary.loss == steps.reduce(0) { $0 + $1.loss } / 5)
        #expect(steps[0].learningRate == 0 && steps.allSatisfy { $0.gradientNorm! > 0 })
    }

    @Test("Evaluating, saving and watching change nothing")
    func observed() throws {
        let plain = try RunFixture()
        let losses = try plain.trainer.losses()
        var options = RunFixture.options
        (options.evaluateEvery, options.saveEvery) = (1, 3)
        let scratch = try TemporaryFolder()
        let watched = try RunFixture(options, folder: "\(scratch.path)/run", evaluates: true)
        #expect(try watched.trainer.losses() == losses)
        #expect(try watched.values() == plain.values())
    }

    @Test("A run ends when evaluations get no better, and with the best weights where they are kept")
    func patience() throws {
        let scratch = try TemporaryFolder()
        var options = RunFixture.options
        // A learning rate that does harm from the first step that has one.
        options.rule = AdamW(learningRate: 3, weightDecay: 0)
        (options.duration, options.evaluateEvery, options.patience, options.keepsBest, options.stopsWhenDiverging) = (.steps(50), 1, 2, true, false)
        let run = try RunFixture(options, folder: scratch.path, evaluates: true)
        var evaluations: [TrainingEvaluation] = []
        run.trainer.observers.append { if case .evaluation(let evaluation) = $0 { evaluations.append(evaluation) } }
        let summary = try run.trainer.run()
        let best = try #require(evaluations.min { $0.nll < $1.nll })
        #expect(summary.end == .withoutProgress && summary.progress.step < 50)
        #expect(evaluations.suffix(2).allSatisfy { !$0.isBest } && evaluations.count == best.step + 2)
        #expect(summary.evaluation == best)
        #expect(try run.model.meanLoss(of: TrainingData(RunFixture.examples(4, seed: 2)), batches: options.batches.size) == best.nll)
    }

    @Test("A loss that is no number ends the run, names the tensor and what to try, and leaves the checkpoint")
    func notANumber() throws {
        let scratch = try TemporaryFolder()
        var options = RunFixture.options
        options.saveEvery = 2
        let run = try RunFixture(options, folder: scratch.path)
        let (path, parameter) = run.trainer.weights.parameters[3]
        run.trainer.observers.append { event in
            guard case .step(let step) = event, step.step == 3 else { return }
            parameter.value = parameter.value * .nan
        }
        let error = #expect(throws: TrainingError.self) { try run.trainer.run() }
        guard case .diverged(let step, let reason, let tensor, let checkpoint) = try #require(error) else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(step == 4 && reason == "the loss is nan" && tensor == "'\(path)' holds NaN or infinity")
        #expect(checkpoint == "\(scratch.path)/checkpoint-2")
        #expect("\(try #require(error))".contains("try a lower learning rate"))
    }

    @Test("A loss has leapt above twice its lowest mean and one; single batches may")
    func leap() {
        var watcher = LossGuard()
        for step in 0..<40 { #expect(watcher.objection(to: step == 20 ? 20 : 2, nonFiniteGradients: 0) == nil) }
        var steps = 0
        while watcher.objection(to: 9, nonFiniteGradients: 0) == nil, steps < 40 { steps += 1 }
        // The mean of 2 and 9 is above 5 once seven of sixteen are 9.
        #expect(steps == 6)
        #expect(watcher.objection(to: .infinity, nonFiniteGradients: 0) == .lossIsNoNumber(.infinity))
    }

    @Test("Gradients that are no numbers are borne twice in a row, not three times")
    func lostSteps() {
        var watcher = LossGuard()
        let found = [1, 2, 0, 5, 1, 1].map { watcher.objection(to: 2, nonFiniteGradients: $0) }
        #expect(found == [nil, nil, nil, nil, nil, .gradientsAreNoNumbers(steps: 3)])
    }

    @Test("Gradients that are not clipped are measured all the same, and none is changed")
    func unclipped() throws {
        func run(_ clipping: GradientClipping?) throws -> (norms: [Double?], values: [[Float]]) {
            var options = RunFixture.options
            options.clipping = clipping
            let run = try RunFixture(options)
            var norms: [Double?] = []
            run.trainer.observers.append { if case .step(let step) = $0 { norms.append(step.gradientNorm) } }
            try run.trainer.run()
            return (norms, try run.values())
        }
        let (free, clipped) = (try run(nil), try run(.norm(1e30)))
        #expect(free.norms.count == 8 && !free.norms.contains(nil) && free.norms == clipped.norms && free.values == clipped.values)
    }

    @Test("What an observer throws ends the run")
    func observerThatThrows() throws {
        let run = try RunFixture()
        run.trainer.observers.append { _ in throw TrainingError.nothingToTrain }
        #expect(throws: TrainingError.nothingToTrain) { try run.trainer.run() }
    }
}
