import BitsCore
import BitsOptim

extension Trainer {
    /// Submits the next step: the gradients of its batches, added up, and the optimizer's update.
    func submitStep() throws -> SubmittedStep {
        let batches = try stream.step(of: options.accumulation)
        let (tokens, learned) = batches.joined().reduce((0, 0)) { ($0.0 + $1.ids.count, $0.1 + $1.targetCount) }
        let learningRate = optimizer.currentLearningRate()
        var loss: Tensor?
        for batch in batches {
            progress.batches += 1
            weights.adapter?.setDropout(seed: options.seed, pass: progress.batches)
            // The mean over all batches' tokens: each has the share that its tokens have.
            let part = sum(of: batch) * (1 / Float(learned))
            part.backward()
            let value = part.detached()
            loss = loss.map { $0 + value } ?? value
        }
        guard let loss else { preconditionFailure("a step without a batch") }
        try optimizer.step()
        optimizer.clearGradients()
        let epoch = Double(progress.position.epoch) + Double(progress.position.example + batches.joined().count) / Double(data.count)
        progress.step += 1
        progress.tokens += tokens
        progress.position = stream.position
        return SubmittedStep(
            loss: loss.readLater(), norm: optimizer.gradientNorm?.readLater(), batches: batches,
            told: TrainingStep(
                step: progress.step, steps: totalSteps, epoch: epoch, loss: .nan, learningRate: learningRate, gradientNorm: nil,
                tokens: progress.tokens))
    }

    /// The sum of the losses of the tokens that are learned.
    private func sum(of batch: [TokenizedExample]) -> Tensor {
        let loss = { self.model.loss(batch, pads: self.options.batches.pads) }
        return options.offloadsBlockInputs ? offloadingBlockInputs(loss) : loss()
    }

    /// Measures the loss on the data for that, without dropout.
    func evaluate() throws {
        guard let evaluationData else { preconditionFailure("no data to evaluate on") }
        weights.adapter?.removeDropout()
        let nll = try model.meanLoss(of: evaluationData, batches: options.evaluationBatches ?? options.batches.size)
        let isBest = nll < progress.best?.nll ?? .infinity
        let evaluation = TrainingEvaluation(step: progress.step, nll: nll, isBest: isBest)
        progress.evaluationsSinceBest = isBest ? 0 : progress.evaluationsSinceBest + 1
        if isBest { progress.best = evaluation }
        progress.last = evaluation
        try tell(.evaluation(evaluation))
    }

    func save() throws {
        guard let folder else { return }
        let path = try folder.save(self)
        try tell(.checkpoint(step: progress.step, path: path))
    }
}

/// A step whose loss is on its way.
struct SubmittedStep {
    let loss: LateReading
    let norm: LateGradientNorm?
    let batches: [[TokenizedExample]]
    /// What is known of it without waiting.
    let told: TrainingStep

    /// Whether the device has taken it already: nothing is gained by submitting more before it is finished.
    var isReady: Bool { loss.isReady }

    /// Waits for the loss and the norm, with how many elements of the gradients are no numbers.
    func finished() throws(DeviceError) -> (step: TrainingStep, nonFinite: Int) {
        var step = told
        step.loss = Double(try loss.item())
        guard let norm = try norm?.values() else { return (step, 0) }
        if norm.nonFiniteCount == 0 { step.gradientNorm = Double(norm.norm) }
        return (step, norm.nonFiniteCount)
    }
}
