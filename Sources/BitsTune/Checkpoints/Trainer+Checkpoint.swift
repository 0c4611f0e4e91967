import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsOptim
import BitsSystem

/// The files of a checkpoint: trained weights and moments, bit for bit, the run's progress, and the adapter as PEFT reads it.
extension Trainer {
    private static let (weightsFile, optimizerFile, progressFile) = ("weights.safetensors", "optimizer.safetensors", "trainer.json")

    func writeCheckpoint(into folder: borrowing OutputFolder) throws {
        // First, as it makes the folder its own.
        try weights.adapter?.save(to: folder.workPath)
        let tensors = Dictionary(uniqueKeysWithValues: weights.parameters.map { ($0.path, $0.parameter.value) })
        try SafetensorsFile.write(tensors, to: "\(folder.workPath)/\(Trainer.weightsFile)")
        try optimizer.saveState(to: "\(folder.workPath)/\(Trainer.optimizerFile)")
        let json: JSONValue = ["progress": .object(progress.json), "settings": .object(settings)]
        try folder.write(json.fileBytes, as: Trainer.progressFile)
    }

    /// Goes on from the newest checkpoint of the run's folder that is whole; with none the run begins at its beginning.
    ///
    /// Model, weights, data and options are to be those of the run that is gone on with; what an adapter starts from, too.
    ///
    /// - Returns: the step that the run goes on after, 0 for the beginning, and which checkpoints were passed over and why.
    /// - Throws: ``TrainingError/unsuitableCheckpoint(path:_:)`` with what differs; nothing is changed then.
    public func resume() throws -> (step: Int, passedOver: [String]) {
        guard let folder else { preconditionFailure("a run without a folder has nothing to go on from") }
        let (step, passedOver) = folder.newestCheckpoint()
        guard let step else { return (0, passedOver) }
        let path = folder.checkpointPath(step)
        let fields = try ConfigurationFields(MappedFile(path: "\(path)/\(Trainer.progressFile)"))
        try checkSettings(try fields.require("settings"), path: path)
        guard let progressFields = try fields.section("progress") else {
            throw TrainingError.unsuitableCheckpoint(path: path, "does not say how far the run is")
        }
        let found = try TrainingProgress(progressFields)
        try folder.restoreWeights(of: self, step: step)
        try optimizer.loadState(from: "\(path)/\(Trainer.optimizerFile)")
        progress = found
        stream = BatchStream(data, options.batches, seed: options.seed, from: progress.position)
        // The process may have been killed when it had made one, and before it removed another.
        folder.removeOldCheckpoints(self)
        return (step, passedOver)
    }

    /// What decides the course of a run; the others may be changed between its parts.
    private var settings: JSONObject {
        [
            "steps": .number(JSONNumber(totalSteps)), "data": .string(data.fingerprint), "batches": .string("\(options.batches)"),
            "accumulation": .number(JSONNumber(options.accumulation)), "rule": .string("\(options.rule)"), "moments": .string("\(options.moments)"),
            "schedule": .string("\(options.schedule)"), "warmup_steps": .number(JSONNumber(options.warmupSteps)),
            "clipping": options.clipping.map { .string("\($0)") } ?? .null, "seed": .string("\(options.seed)"), "policy": .string("\(model.policy)"),
            "model": .string(frozenCheck), "adapter": weights.adapter.map { .string("\($0.configuration.withoutName)") } ?? .null,
        ]
    }

    private func checkSettings(_ found: JSONObject, path: String) throws(TrainingError) {
        let own = settings
        let differences = own.keys.filter { found[$0] != own[$0] }.map { key in
            switch key {
            case "data": "data: other examples"
            case "model": "model: another one, or in another form"
            default: "\(key): \(Trainer.difference(found[key], own[key]))"
            }
        }
        guard differences.isEmpty else {
            let list = differences.joined(separator: "; ")
            throw .unsuitableCheckpoint(path: path, "is of another run; go on with its settings, or name another folder: \(list)")
        }
    }

    /// What differs between two settings; of two that are made of several, those parts alone.
    private static func difference(_ there: JSONValue?, _ here: JSONValue?) -> String {
        func parts(_ value: JSONValue?) -> [Substring] {
            guard case .string(let text)? = value else { return [] }
            return text.split { "(),".contains($0) }.map { $0.drop { $0 == " " } }
        }
        let (old, new) = (parts(there), parts(here))
        guard old.count == new.count, old.count > 1 else {
            return "\(there?.compactText ?? "none") there, \(here?.compactText ?? "none") here"
        }
        return zip(old, new).filter { $0 != $1 }.map { "\($0) there, \($1.split(separator: ": ").last ?? $1) here" }.joined(separator: ", ")
    }
}

extension LoRAConfiguration {
    /// The settings that a run depends on.
    fileprivate var withoutName: LoRAConfiguration {
        var configuration = self
        configuration.baseModel = nil
        return configuration
    }
}

extension RunFolder {
    /// Gives `trainer` the weights of the checkpoint after `step`.
    func restoreWeights(of trainer: Trainer, step: Int) throws {
        let path = checkpointPath(step)
        let file = try SafetensorsFile(path: "\(path)/weights.safetensors")
        var values: [Tensor] = []
        for (name, parameter) in trainer.weights.parameters {
            guard let entry = file[name], entry.shape == parameter.shape, entry.dtype == parameter.dtype else {
                let found = file[name].map { "of shape \($0.shape) in \($0.typeName)" } ?? "not there"
                throw TrainingError.unsuitableCheckpoint(
                    path: path,
                    "'\(name)' is \(found); shape \(parameter.shape) in \(parameter.dtype.rawValue) was expected: use the run's own model and adapter"
                )
            }
            values.append(try file.tensor(entry, on: parameter.device, inPlace: false))
        }
        guard file.entries.count == values.count else {
            throw TrainingError.unsuitableCheckpoint(path: path, "holds \(file.entries.count) weights; \(values.count) are trained here")
        }
        for ((_, parameter), value) in zip(trainer.weights.parameters, values) { parameter.value = value }
    }
}
