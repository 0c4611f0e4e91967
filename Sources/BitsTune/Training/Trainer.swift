import BitsCore
public import BitsModels
public import BitsOptim
import BitsSystem

/// Trains a language model on examples, step by step, and survives what comes in between.
///
/// ```swift
/// let data = try TrainingData("questions.jsonl", for: loaded, tokenizer: tokenizer)
/// try Trainer(loaded.model, training: TrainedWeights(adapter, in: loaded.model), on: data).run()
/// ```
/// The same seed gives the same run on the same device and thread count; watching, evaluating and saving change nothing. A step's loss is read when the step
/// after it has been submitted, so that the device never waits for the host, or at once where it is there. With a ``RunFolder`` the run leaves checkpoints, and
/// one that was stopped, however that came, goes on from the newest of them as if it had not been.
public final class Trainer {
    public let model: CausalLanguageModel
    public let weights: TrainedWeights
    public let options: TrainingOptions
    public let optimizer: Optimizer
    /// Steps of the whole run.
    public let totalSteps: Int
    public internal(set) var progress = TrainingProgress()
    /// Whoever watches the run; what one throws ends it.
    public var observers: [(TrainingEvent) throws -> Void] = []

    let data: TrainingData
    let evaluationData: TrainingData?
    let folder: RunFolder?
    /// What tells the weights that are not trained from others.
    let frozenCheck: String
    var stream: BatchStream
    private var isStopping = false

    /// - Parameters:
    ///   - evaluation: what the loss is measured on, during the run and at its end.
    ///   - folder: where checkpoints go.
    /// - Throws: ``TrainingError`` for data that does not suit the model, ``BitsOptim/OptimizerError`` for settings out of range.
    public init(
        _ model: CausalLanguageModel, training weights: TrainedWeights, on data: TrainingData, evaluation: TrainingData? = nil,
        options: TrainingOptions = TrainingOptions(), folder: RunFolder? = nil
    ) throws {
        options.check()
        try data.check(for: model)
        try evaluation?.check(for: model)
        (self.model, self.weights, self.options, self.folder) = (model, weights, options, folder)
        (self.data, evaluationData) = (data, evaluation)
        frozenCheck = try FrozenWeights.check(of: model, without: weights)
        totalSteps = options.steps(over: data)
        stream = BatchStream(data, options.batches, seed: options.seed)
        optimizer = try Optimizer(
            groups: [ParameterGroup(weights.parameters, rule: options.rule)], moments: options.moments, schedule: options.schedule(steps: totalSteps),
            clipping: options.clipping ?? .norm(.infinity), overrides: weights.overrides)
    }

    /// Ends the run with the step that has been submitted, and saves.
    public func stop() { isStopping = true }

    /// Takes the steps that are left.
    ///
    /// - Throws: ``TrainingError/diverged(step:reason:tensor:checkpoint:)``, ``TrainingError/failed(step:_:checkpoint:)``, what an observer throws, and
    ///   what cannot be written.
    @discardableResult
    public func run() throws -> TrainingSummary {
        let recomputed = model.recomputesBlocks
        model.recomputesBlocks = options.recomputesBlocks
        defer {
            weights.adapter?.removeDropout()
            model.recomputesBlocks = recomputed
        }
        do {
            return try ProcessSignals.endingInOrder { try takeSteps() }
        } catch {
            // Gradients that got no memory would keep the device from working on.
            optimizer.clearGradients()
            throw TrainingError(error, step: progress.step, checkpoint: folder?.newestPath) ?? error
        }
    }

    private var isEnding: Bool { isStopping || ProcessSignals.interruption != nil }

    private func takeSteps() throws -> TrainingSummary {
        let (start, tokens) = (ContinuousClock.now, progress.tokens)
        var first: (seconds: Double, tokens: Int)?
        func finish(_ step: SubmittedStep) throws {
            try take(step)
            if first == nil { first = ((ContinuousClock.now - start) / .seconds(1), step.told.tokens - tokens) }
        }
        var submitted: SubmittedStep?
        var end = TrainingSummary.End.finished
        while progress.step < totalSteps, end == .finished {
            let step = try submitStep()
            if let submitted { try finish(submitted) }
            submitted = step
            if step.isReady {
                submitted = nil
                try finish(step)
            }
            let isLast = progress.step == totalSteps
            let evaluates = evaluationData != nil && (isLast || isDue(options.evaluateEvery))
            guard isLast || isEnding || evaluates || isDue(options.saveEvery) else { continue }
            if let step = submitted {
                // Whatever is kept of a step has to have come out well.
                submitted = nil
                try finish(step)
            }
            if evaluates {
                try evaluate()
                if let patience = options.patience, progress.evaluationsSinceBest >= patience { end = .withoutProgress }
            }
            if end == .finished, isEnding, !isLast { end = .stopped }
            let isBest = options.keepsBest && progress.best?.step == progress.step
            if isLast || end != .finished || isBest || isDue(options.saveEvery) { try save() }
        }
        var evaluation: TrainingEvaluation?
        if options.keepsBest, let best = progress.best, best.step < progress.step, end != .stopped {
            try folder?.restoreWeights(of: self, step: best.step)
            evaluation = best
        }
        return TrainingSummary(
            end: end, progress: progress, evaluation: evaluation ?? progress.last, seconds: (ContinuousClock.now - start) / .seconds(1),
            tokens: progress.tokens - tokens, firstSeconds: first?.seconds ?? 0, firstTokens: first?.tokens ?? 0)
    }

    private func isDue(_ every: Int?) -> Bool { every.map { progress.step.isMultiple(of: $0) } ?? false }

    /// Waits for a step's loss, and goes on with it, or does not.
    private func take(_ submitted: SubmittedStep) throws {
        let (step, nonFinite) = try submitted.finished()
        progress.lossSum += step.loss
        if options.stopsWhenDiverging, let objection = progress.guardian.objection(to: step.loss, nonFiniteGradients: nonFinite) {
            throw diverged(submitted, objection)
        }
        try tell(.step(step))
    }

    func tell(_ event: TrainingEvent) throws {
        for observer in observers { try observer(event) }
    }
}
