import BitsCore
import BitsIO
import BitsNN
import BitsQuant

/// The entries of a checkpoint, and random ones for a head that it does not hold: how a model is begun that is to learn a task.
final class NewHeadSource: WeightSource {
    private let checkpoint: CheckpointSource
    private let random: RandomWeights
    /// Entries of the head, and of what makes one vector of a sequence for it.
    private let replaceable: Set<String>
    /// The entries that were drawn.
    private(set) var drawn: [String] = []

    init(_ checkpoint: CheckpointSource, for model: TaskModel, using generator: RandomGenerator) {
        self.checkpoint = checkpoint
        random = RandomWeights(for: model, using: generator)
        let backbone = ModelPlan(model.backbone).entries.map { "\(model.backboneName).\($0.name)" }
        let summary = model.backbone.summaryPath.map { "\(model.backboneName).\($0)." }
        replaceable = Set(ModelPlan(model).entries.map(\.name)).subtracting(backbone.filter { entry in !(summary.map(entry.hasPrefix) ?? false) })
    }

    var names: [String]? { checkpoint.names }

    func entry(_ name: String) -> WeightEntry? { checkpoint.entry(name) ?? (replaceable.contains(name) ? random.entry(name) : nil) }

    func tensor(_ name: String, on device: Device) throws(ModelFileError) -> Tensor? {
        if let tensor = try checkpoint.tensor(name, on: device) { return tensor }
        drawn.append(name)
        return random.tensor(name, on: device)
    }

    func release(_ name: String) { checkpoint.release(name) }
}
