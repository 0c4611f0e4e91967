import BitsCore
import BitsIO
import BitsModels

/// Whether an unquantized checkpoint holds what a model asks for.
enum CheckpointFit {
    /// - Throws: ``ModelFileError/malformed(path:_:)`` that names every entry that is missing, or of the wrong shape or type.
    static func check(_ checkpoint: Checkpoint, plan: ModelPlan, path: String) throws(ModelFileError) {
        let problems = plan.entries.compactMap { problem($0, checkpoint[$0.name]) }
        guard problems.isEmpty else {
            throw .problems(problems, path: path, "the checkpoint does not fit config.json; download or convert the model again")
        }
    }

    /// Checks the shapes of `weights` where the model's family is known.
    ///
    /// - Throws: ``ModelFileError/malformed(path:_:)`` that names every weight of another shape.
    static func check(
        _ weights: [(path: String, weight: QuantizedWeight)], configuration: ModelConfiguration, path: String
    ) throws(ModelFileError) {
        guard ModelRegistry.families.contains(configuration.modelType) else { return }
        let plan = try ModelPlan(configuration)
        let shapes = Dictionary(plan.entries.map { ($0.name, $0.shape) }) { first, _ in first }
        let problems = weights.compactMap { path, weight -> String? in
            guard let shape = shapes["\(path).weight"], shape != weight.shape else { return nil }
            return "'\(path).weight' is a \(weight.format) tensor of shape \(weight.shape), the configuration asks for \(shape)"
        }
        guard problems.isEmpty else {
            throw .problems(problems, path: path, "the checkpoint does not fit config.json; download or convert the model again")
        }
    }

    private static func problem(_ wanted: ModelPlan.Entry, _ found: SafetensorsEntry?) -> String? {
        guard let found else { return "'\(wanted.name)' \(wanted.shape) is missing" }
        guard found.shape == wanted.shape else { return "'\(wanted.name)' has shape \(found.shape), the configuration asks for \(wanted.shape)" }
        guard found.dtype?.isFloatingPoint == true else { return "'\(wanted.name)' is \(found.typeName); F32, F16 or BF16 was expected" }
        return nil
    }

    /// The entries that nothing in the model asks for; a copy of a tied head and old rotary tables are no news.
    static func unused(_ checkpoint: Checkpoint, plan: ModelPlan) -> [String] {
        let wanted = Set(plan.entries.map(\.name))
        return checkpoint.names.filter { !wanted.contains($0) && !$0.hasSuffix("rotary_emb.inv_freq") && $0 != "lm_head.weight" }
    }
}
