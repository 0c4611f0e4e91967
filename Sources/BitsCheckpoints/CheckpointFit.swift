import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsQuant

/// Whether a checkpoint holds what a model asks for, as loading finds out.
enum CheckpointFit {
    private static let title = "the checkpoint does not fit config.json; download or convert the model again"

    /// Where an unquantized checkpoint has each entry of `plan`, by the name in the plan.
    ///
    /// - Throws: ``ModelFileError/malformed(path:_:)`` that names every entry that is missing, or of the wrong shape or type.
    static func locate(_ plan: ModelPlan, in checkpoint: Checkpoint, path: String) throws(ModelFileError) -> [String: String] {
        var (places, problems): ([String: String], [LayerError]) = ([:], [])
        for entry in plan.entries {
            guard let place = plan.names.candidates(entry.name).first(where: { checkpoint[$0] != nil }), let found = checkpoint[place] else {
                if !plan.names.isOptional(entry.name) { problems.append(.missingEntry(entry.name, shape: entry.shape)) }
                continue
            }
            places[entry.name] = place
            let shape = plan.storedShape(entry)
            if found.shape != shape || found.dtype?.isFloatingPoint != true {
                problems.append(.unsuitableEntry(entry.name, expected: "floating point \(shape)", found: "\(WeightEntry(found))"))
            }
        }
        guard problems.isEmpty else { throw .problems(problems.flatMap(\.lines), path: path, title) }
        return places
    }

    /// Checks the shapes of quantized `weights`.
    ///
    /// - Throws: ``ModelFileError/malformed(path:_:)`` that names every weight of another shape.
    static func check(_ weights: [(path: String, weight: any QuantizedTensor)], plan: ModelPlan, path: String) throws(ModelFileError) {
        let shapes = Dictionary(plan.entries.map { ($0.name, $0.shape) }) { first, _ in first }
        let problems = weights.compactMap { path, weight -> LayerError? in
            guard let shape = shapes["\(path).weight"], shape != weight.shape else { return nil }
            return .unsuitableEntry("\(path).weight", expected: "\(shape)", found: "\(weight.formatName) \(weight.shape)")
        }
        guard problems.isEmpty else { throw .problems(problems.flatMap(\.lines), path: path, title) }
    }
}
