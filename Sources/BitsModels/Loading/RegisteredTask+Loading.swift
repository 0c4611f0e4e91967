public import BitsCore
public import BitsIO
public import BitsNN
import BitsQuant

extension RegisteredTask {
    /// Builds the model of `folder` and fills it from its checkpoint, layer by layer: never more in memory than the model as asked for and one tensor.
    ///
    /// What a checkpoint says of how it is quantized comes before what `options` say of linear layers.
    ///
    /// - Parameters:
    ///   - configuration: what the model is to be, with labels of its own say; by default what config.json says.
    ///   - generator: draws the weights of the head where the checkpoint holds none, for a model that is to be trained; nil asks for all weights.
    ///   - progress: called with the share of the checkpoint that is done.
    /// - Throws: ``BitsIO/ModelFileError`` for a folder, configuration or checkpoint that is not in order; tensors that are missing or of the wrong shape are
    ///   named in one, the first twenty of them, and the others counted.
    public static func load(
        _ folder: ModelFolder, configuration: ModelConfiguration? = nil, options: LoadOptions = LoadOptions(),
        newHead generator: RandomGenerator? = nil,
        progress: @escaping (Double) -> Void = { _ in }
    ) throws(ModelFileError) -> (model: Self, report: ModelReport) {
        let configuration = if let configuration { configuration } else { try ModelConfiguration(folder) }
        let model = try Self(configuration)
        let checkpoint = CheckpointSource(try Checkpoint(folder, for: model.checkpointNames))
        let newHead = generator.flatMap { generator in (model as? TaskModel).map { NewHeadSource(checkpoint, for: $0, using: generator) } }
        var report = try make(model, configuration, from: newHead ?? checkpoint, options: options, path: folder.description, progress: progress)
        if let drawn = newHead?.drawn {
            report.notes += ModelReport.counted(drawn, "weights are not in the checkpoint and begin at random; train them")
        }
        return (model, report)
    }

    /// Builds the model of `configuration` and fills it with random weights, quantizing as for a checkpoint of the type that config.json names, bfloat16 where it
    /// names none: for measurements, and on a counting device for estimates.
    ///
    /// - Throws: ``BitsIO/ModelFileError`` for a configuration that is not in order, and for what the device reports.
    public static func random(
        _ configuration: ModelConfiguration, options: LoadOptions = LoadOptions(), using generator: RandomGenerator = RandomGenerator(seed: 0)
    ) throws(ModelFileError) -> (model: Self, report: ModelReport) {
        let model = try Self(configuration)
        let weights = RandomWeights(for: model, dtype: try configuration.dtype ?? .bfloat16, using: generator)
        return (model, try make(model, configuration, from: weights, options: options, path: configuration.fields.path) { _ in })
    }

    /// Fills `model` from `source` as config.json and `options` say together, and gives it its policy.
    private static func make(
        _ model: Self, _ configuration: ModelConfiguration, from source: any WeightSource, options: LoadOptions, path: String,
        progress: @escaping (Double) -> Void
    ) throws(ModelFileError) -> ModelReport {
        let (stored, usualProducts) = (StoredQuantization(try configuration.quantization), try configuration.usualProducts)
        var resolved = stored.applied(to: options)
        resolved.computeDType = resolved.computeDType ?? resolved.quantization.layers?.computeDType ?? usualProducts
        var report = try fill(model, from: source, options: resolved, path: path, progress: progress)
        model.policy = ComputePolicy(
            activations: options.activations, products: report.computeDType, cache: options.cache ?? options.activations)
        report.notes += stored.notes(report, asked: options.quantization)
        return report
    }

    /// Fills `model` from `source`; what does not fit is an error of the file at `path`.
    package static func fill(
        _ model: Self, from source: any WeightSource, options: LoadOptions, path: String, progress: @escaping (Double) -> Void
    ) throws(ModelFileError) -> ModelReport {
        do {
            return try model.load(from: source, options: options, progress: progress)
        } catch let error as LayerError {
            throw .problems(error.lines, path: path, "the checkpoint does not fit config.json; download or convert the model again")
        } catch {
            throw ModelFileError(error, path: path)
        }
    }
}

extension ModelConfiguration {
    /// What products round their operands to where nothing else is said: bfloat16 if that is what the weights were saved in, as rounding an activation
    /// then costs no more than rounding the weight did; else nothing is rounded.
    package var usualProducts: DType {
        get throws(ModelFileError) { try dtype == .bfloat16 ? .bfloat16 : .float32 }
    }
}
