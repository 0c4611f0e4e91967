import ArgumentParser
import BitsBench
import BitsCore
import BitsIO
import BitsModels
import BitsTune

extension Train {
    /// What came of the run: the curve and a summary for people, or one object for programs.
    func tell(_ summary: TrainingSummary, _ trainer: Trainer, _ curve: LossCurve) throws {
        guard records.json else {
            try Console.write(curve.text())
            let evaluation = summary.evaluation.map { ", eval_nll \(Bytes.rounded($0.nll, 4))" } ?? ""
            // A run that is resumed behind its last step takes none.
            let pace = summary.tokens > 0 ? ", \(Int(summary.tokensPerSecond)) tokens/s" : ""
            let early = summary.end == .withoutProgress ? ", as evaluations got no better" : ""
            try Console.writeLine(
                "\(summary.progress.step) steps\(early): train_loss \(Bytes.rounded(summary.loss, 4))\(evaluation); \(summary.progress.tokens) tokens, "
                    + "\(Bytes.rounded(summary.seconds, 1)) s\(pace)")
            let memory = trainer.model.computeDevice.memory.peak
            try Console.writeLine("at most \(Bytes(memory.total)) held: \(memory)")
            return try Console.writeLine("\(trainer.weights.adapter == nil ? "the model" : "the adapter") is in \(records.output)")
        }
        try Console.writeLine(
            JSONValue.object([
                "train_loss": .number(finite: summary.loss), "eval_nll": summary.evaluation.map { .number(finite: $0.nll) } ?? .null,
                "steps": .number(JSONNumber(summary.progress.step)), "tokens": .number(JSONNumber(summary.progress.tokens)),
                "seconds": .number(JSONNumber(summary.seconds)),
                "tokens_per_second": summary.tokens > 0 ? .number(JSONNumber(summary.tokensPerSecond)) : .null,
                "peak_memory_bytes": Diagnosis.peakMemory.map { .number(JSONNumber($0)) } ?? .null,
                "memory": trainer.model.computeDevice.memory.peak.json,
                "trained_weights": .number(JSONNumber(trainer.weights.count)), "stopped_early": .bool(summary.end == .withoutProgress),
                "output": .string(records.output),
            ]).compactText)
    }

    /// The options of the run by their names, as `--config` takes them. Where the work is done is not one of the run's.
    var used: JSONObject {
        var used = JSONObject()
        func set(_ name: String, _ value: (some CustomStringConvertible)?) { if let value { used[name] = .string("\(value)") } }
        func set(_ name: String, _ number: Int?) { if let number { used[name] = .number(JSONNumber(number)) } }
        func set(_ name: String, _ number: Double?) { if let number { used[name] = .number(JSONNumber(number)) } }
        func set(_ name: String, _ isOn: Bool) { if isOn { used[name] = true } }
        func set(_ name: String, _ list: [String]) { if !list.isEmpty { used[name] = .array(list.map { .string($0) }) } }
        set("model", source.model)
        set("data", data.data.map(\.argument))
        set("eval_data", data.evalData)
        set("output", records.output)
        set("load_in", loadIn?.argument)
        set("plan", plan?.path)
        set("double_quantization", quantization.doubleQuantization)
        set("block_size", quantization.blockSize)
        set("outlier_threshold", quantization.outlierThreshold.map { Double($0) })
        set("skip", quantization.skip)
        set("quantize_embeddings", quantization.quantizeEmbeddings)
        set("head", quantization.head?.argument)
        set("compute", compute.compute?.rawValue)
        set("activations", compute.activations.rawValue)
        set("cache", compute.cache?.rawValue)
        if weights.full {
            set("full", true)
            set("train_only", weights.trainOnly)
        } else if let adapter = weights.adapter {
            set("adapter", adapter)
        } else {
            set("lora_rank", weights.loraRank)
            set("lora_alpha", weights.loraAlpha.map { Double($0) } ?? 2 * Double(weights.loraRank))
            set("lora_dropout", Double(weights.loraDropout))
            set("target_modules", weights.targetModules)
            set("exclude_modules", weights.excludeModules)
            set("modules_to_save", weights.modulesToSave)
            set("layers_to_transform", weights.layersToTransform)
            set("layers_pattern", weights.layersPattern)
            set("rank_pattern", weights.rankPattern.map(\.description))
            set("alpha_pattern", weights.alphaPattern.map(\.description))
            set("bias", weights.bias.rawValue)
            set("lora_bias", weights.loraBias)
            set("use_dora", weights.useDora)
            set("use_rslora", weights.useRslora)
            set("lora_start", weights.loraStart.argument)
            set("loftq_iter", weights.loftqIter > 1 ? weights.loftqIter : nil)
        }
        set("max_length", data.batches.maxLength)
        set("truncation", data.truncation.rawValue)
        set("loss_on", data.lossOn.rawValue)
        set("batch_size", data.batches.batchSize)
        set("eval_batch_size", data.batches.evalBatchSize)
        set("accumulate", data.batches.accumulate)
        set("packing", data.batches.packing)
        set("padding", data.batches.padding)
        set("group_by_length", data.groupByLength)
        set("no_shuffle", data.noShuffle)
        set("epochs", course.steps == nil ? course.epochs ?? 1 : nil)
        set("steps", course.steps)
        set("optimizer", course.method.optimizer)
        if !course.method.optimArgs.isEmpty { set("optim_args", course.method.optimArgs) }
        set("adam_beta1", course.adamBeta1)
        set("adam_beta2", course.adamBeta2)
        set("adam_epsilon", course.adamEpsilon)
        set("learning_rate", course.learningRate ?? (weights.full ? 2e-5 : 2e-4))
        set("schedule", course.schedule.rawValue)
        switch course.warmupSteps {
        case .steps(let steps): set("warmup_steps", steps)
        case .share(let share) where share < 1: set("warmup_steps", share)
        case .share: set("warmup_steps", course.warmupSteps.description)
        }
        set("weight_decay", course.weightDecay)
        set("max_grad_norm", course.maxGradNorm)
        set("recompute", course.recompute)
        set("offload_block_inputs", course.offloadBlockInputs)
        set("seed", "\(course.seed.number)")
        set("eval_every", records.evalEvery)
        set("patience", records.patience)
        set("save_every", records.saveEvery)
        set("keep", records.keep)
        set("keep_best", records.keepBest)
        set("log_every", records.logEvery)
        set("sample", records.sample)
        return used
    }
}
