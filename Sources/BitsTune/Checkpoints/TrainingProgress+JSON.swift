import BitsIO

extension TrainingProgress {
    /// As a checkpoint keeps it: numbers read back as they were.
    var json: JSONObject {
        [
            "step": .number(JSONNumber(step)), "epoch": .number(JSONNumber(position.epoch)), "example": .number(JSONNumber(position.example)),
            "batches": .number(JSONNumber(batches)), "tokens": .number(JSONNumber(tokens)), "loss_sum": .number(JSONNumber(lossSum)),
            "best_step": best.map { .number(JSONNumber($0.step)) } ?? .null, "best_nll": best.map { .number(JSONNumber($0.nll)) } ?? .null,
            "last_step": last.map { .number(JSONNumber($0.step)) } ?? .null, "last_nll": last.map { .number(finite: $0.nll) } ?? .null,
            "evaluations_since_best": .number(JSONNumber(evaluationsSinceBest)),
            "recent_losses": .array(guardian.recent.map { .number(JSONNumber($0)) }), "lowest_mean": .number(finite: guardian.lowest),
            "failures": .number(JSONNumber(guardian.failures)),
        ]
    }

    init(_ fields: ConfigurationFields) throws(ModelFileError) {
        func count(_ key: String) throws(ModelFileError) -> Int {
            let value = try fields.require(key, as: Int.self)
            guard (0...1 << 53).contains(value) else { throw fields.error("has \(value) as '\(key)'; a number from 0 was expected") }
            return value
        }
        step = try count("step")
        position = DataPosition(epoch: try count("epoch"), example: try count("example"))
        batches = try count("batches")
        tokens = try count("tokens")
        lossSum = try fields.require("loss_sum")
        if let bestStep = try fields.optional("best_step", as: Int.self) {
            best = TrainingEvaluation(step: bestStep, nll: try fields.require("best_nll"), isBest: true)
        }
        if let lastStep = try fields.optional("last_step", as: Int.self) {
            last = TrainingEvaluation(step: lastStep, nll: try fields.optional("last_nll") ?? .nan, isBest: lastStep == best?.step)
        }
        evaluationsSinceBest = try count("evaluations_since_best")
        guardian = LossGuard(
            recent: try fields.require("recent_losses", as: [Double].self), lowest: try fields.optional("lowest_mean") ?? .infinity,
            failures: try count("failures"))
    }
}
