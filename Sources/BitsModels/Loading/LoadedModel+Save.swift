import BitsCore
public import BitsIO
import BitsNN
import BitsQuant

extension LoadedModel {
    /// Writes the model as it is now into the folder `path`, as `bnb quantize` writes it: `model.safetensors` or its shards, `config.json` with what is
    /// quantized, and the tokenizer's files.
    ///
    /// Trained weights are saved as they are, and so are layers that were quantized or replaced after loading. An adapter is merged first, or saved by itself.
    ///
    /// - Parameters:
    ///   - maximumFileByteCount: above it the weights are spread over several files.
    ///   - progress: called with the share of the tensors that is done.
    /// - Throws: ``BitsIO/ModelFileError`` when the model has weights that checkpoints of its family do not have, a weight is too large for its form, the folder
    ///   exists, cannot be written, or the disk is full. Nothing is left behind then.
    public func save(
        to path: String, maximumFileByteCount: Int = 50_000_000_000, progress: (Double) -> Void = { _ in }
    ) throws(ModelFileError) {
        let plan = ModelPlan(try ModelRegistry.model(configuration))
        let forms = model.namedModules().compactMap { path, module in module.quantization.map { (path, $0) } }
        let section = BitsAndBytesConfig(plan, forms: Dictionary(forms) { first, _ in first }, skipping: quantization.skipping)
        var written = configuration
        // A section that says the same keeps what else it says.
        let stored = try configuration.quantization
        if stored?.quantization != section?.quantization || stored?.skipModules != section?.skipModules { written.setQuantization(section) }
        let tensors = try entries(plan, path: path)
        let rewriter = CheckpointRewriter(
            folder: folder, configuration: written, tensors: tensors.map { ($0.key, $0.value.dtype, $0.value.shape) })
        var done = 0
        _ = try rewriter.write(to: path, maximumFileByteCount: maximumFileByteCount) { (name) throws(ModelFileError) in
            guard let tensor = tensors[name] else { throw .malformed(path: path, "'\(name)' is missing") }
            done += 1
            progress(Double(done) / Double(tensors.count))
            return tensor.contiguous()
        }
    }

    /// What a checkpoint holds of the model, by name.
    private func entries(_ plan: ModelPlan, path: String) throws(ModelFileError) -> [String: Tensor] {
        let known = Set(plan.entries.map(\.name) + plan.layers.flatMap { layer in WeightEntry.weightParts.map { "\(layer.path).\($0)" } })
        do {
            var codes: Set<String> = []
            for (place, module) in model.namedModules() {
                for weight in module.quantizedWeights {
                    try weight.checkScales(of: "\(place).weight", path: path)
                    codes.insert("\(place).weight")
                }
            }
            let entries = try model.entries()
            let foreign = entries.map(\.name).filter { !known.contains($0) }
            guard foreign.isEmpty else {
                throw ModelFileError.problems(
                    foreign.map { "'\($0)'" }, path: path,
                    "the model has weights that its family's files have no names for; merge adapters before saving")
            }
            return Dictionary(entries.map { ($0.name, plan.isTransposed($0.name) && !codes.contains($0.name) ? $0.tensor.transposed() : $0.tensor) })
            {
                first, _ in first
            }
        } catch {
            throw ModelFileError(error, path: path)
        }
    }
}
