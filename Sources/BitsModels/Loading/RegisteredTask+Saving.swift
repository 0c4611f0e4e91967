import BitsCore
public import BitsIO
package import BitsNN
import BitsQuant

extension RegisteredTask {
    /// Writes the model as it is now into the folder `path`, as `bnb quantize` writes it: `model.safetensors` or its shards, `config.json` with what is
    /// quantized, and the tokenizer's files.
    ///
    /// Trained weights are saved as they are, and so are layers that were quantized or replaced after loading. An adapter is merged first, or saved by itself.
    ///
    /// - Parameters:
    ///   - folder: whose other files are copied.
    ///   - configuration: what `config.json` is to say of the model; by default what it says in `folder`. What is quantized, and what the model is made for, is
    ///     set.
    ///   - skipping: the list that layers were left by; by default the one in `configuration`.
    ///   - maximumFileByteCount: above it the weights are spread over several files.
    ///   - progress: called with the share of the tensors that is done.
    /// - Throws: ``BitsIO/ModelFileError`` when the model has weights that checkpoints of its family do not have, a weight is too large for its form, the folder
    ///   exists, cannot be written, or the disk is full. Nothing is left behind then.
    public func save(
        to path: String, like folder: ModelFolder, configuration: ModelConfiguration? = nil, skipping: [String]? = nil,
        maximumFileByteCount: Int = 50_000_000_000, progress: (Double) -> Void = { _ in }
    ) throws(ModelFileError) {
        var written = if let configuration { configuration } else { try ModelConfiguration(folder) }
        // A head that was given a weight of its own is read as one.
        if !namedModules().contains(where: { $0.module is TiedLinear }) { written = try Self.untied(written) }
        let plan = ModelPlan(try Self(written))
        let stored = try written.quantization
        let forms = namedModules().compactMap { path, module in module.quantization.map { (path, $0) } }
        let section = try BitsAndBytesConfig(
            plan, forms: Dictionary(forms) { first, _ in first }, skipping: skipping ?? (stored?.quantization == nil ? nil : stored?.skipModules),
            path: path)
        // A section that says the same keeps what else it says.
        if !saysTheSame(stored, section) { written.setQuantization(section) }
        try written.setTask(Self.task)
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

    private func saysTheSame(_ stored: BitsAndBytesConfig?, _ section: BitsAndBytesConfig?) -> Bool {
        let hasInt8 = namedModules().contains { if case .int8? = $0.module.quantization { true } else { false } }
        return stored?.quantization == section?.quantization && stored?.skipModules == section?.skipModules
            && (!hasInt8 || stored?.outlierThreshold == section?.outlierThreshold)
    }

    /// What a checkpoint holds of the model, by name.
    private func entries(_ plan: ModelPlan, path: String) throws(ModelFileError) -> [String: Tensor] {
        let known = Set(plan.entries.map(\.name) + plan.layers.flatMap { layer in WeightEntry.weightParts.map { "\(layer.path).\($0)" } })
        do {
            var codes: Set<String> = []
            for (place, module) in namedModules() {
                for weight in module.quantizedWeights {
                    try weight.checkScales(of: "\(place).weight", path: path)
                    codes.insert("\(place).weight")
                }
            }
            let entries = try entries()
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

extension RegisteredTask {
    /// The configuration of such a model whose head has a weight of its own.
    package static func untied(_ configuration: ModelConfiguration) throws(ModelFileError) -> ModelConfiguration {
        guard !ModelPlan(try Self(configuration)).tiedHeads.isEmpty else { return configuration }
        var untied = configuration
        untied.fields.object.insert(false, forKey: "tie_word_embeddings")
        return untied
    }

    /// Writes a model in floating point whose weights are made when their turn comes: memory holds one of them at a time.
    ///
    /// - Parameters:
    ///   - source: has what an unquantized checkpoint of `configuration` has.
    ///   - folder, maximumFileByteCount, progress: as for ``save(to:like:configuration:skipping:maximumFileByteCount:progress:)``.
    /// - Throws: as that does, and what `source` throws.
    package static func save(
        _ source: any WeightSource, to path: String, like folder: ModelFolder, configuration: ModelConfiguration, maximumFileByteCount: Int,
        progress: (Double) -> Void
    ) throws(ModelFileError) {
        var written = configuration
        written.setQuantization(nil)
        try written.setTask(Self.task)
        func found<T>(_ name: String, _ find: () throws -> T?) throws(ModelFileError) -> T {
            let value: T?
            do { value = try find() } catch { throw ModelFileError(error, path: path, part: name) }
            guard let value else { throw .malformed(path: path, "'\(name)' is missing") }
            return value
        }
        var announced: [CheckpointLayout.Announcement] = []
        for entry in ModelPlan(try Self(written)).entries {
            let (dtype, shape) = try found(entry.name) { try source.entry(entry.name).flatMap { entry in entry.dtype.map { ($0, entry.shape) } } }
            announced.append((entry.name, dtype, shape))
        }
        let rewriter = CheckpointRewriter(folder: folder, configuration: written, tensors: announced)
        var done = 0
        _ = try rewriter.write(to: path, maximumFileByteCount: maximumFileByteCount) { (name) throws(ModelFileError) in
            done += 1
            progress(Double(done) / Double(announced.count))
            return try found(name) { try source.tensor(name, on: .cpu) }
        }
    }
}

extension ModelConfiguration {
    /// Names the class for `task` in `architectures`, where that is there and names one for another.
    fileprivate mutating func setTask(_ task: ModelTask) throws(ModelFileError) {
        guard let named = try fields.optional("architectures", as: [String].self)?.first, let own = task.architecture(like: named), own != named
        else { return }
        fields.object.insert(.array([.string(own)]), forKey: "architectures")
    }
}

extension LoadedModel {
    /// Writes the model as it is now into the folder `path`, see ``RegisteredTask/save(to:like:configuration:skipping:maximumFileByteCount:progress:)``.
    public func save(
        to path: String, maximumFileByteCount: Int = 50_000_000_000, progress: (Double) -> Void = { _ in }
    ) throws(ModelFileError) {
        try model.save(
            to: path, like: folder, configuration: configuration, skipping: quantization.skipping, maximumFileByteCount: maximumFileByteCount,
            progress: progress)
    }
}
