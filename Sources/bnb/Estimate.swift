import ArgumentParser
import BitsBench
import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsQuant
import BitsTune
import CLexicon

/// `bnb estimate`: how much memory work would take, and what fits.
struct Estimate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tell how much memory generating and training would take, and what fits into a device or a GPU.",
        discussion: """
            The work itself is gone through, on a device that counts memory and computes nothing: no weight is read, nothing is downloaded. Examples are taken to \
            have their full length, and all of it to be learned; factors that --lora-start takes out of the weights are counted as any others. The table of GPUs \
            says what generates as asked, and the largest batch of QLoRA (nf4-dq, unless --load-in says otherwise) and of training all weights, both with --recompute.
            """)

    @Option(
        name: [.short, .long],
        help: ArgumentHelp(
            "A folder in the Hugging Face layout, or organization/name from the local cache; weights are not read. (default: the one built in)",
            valueName: "model"))
    var model: String?

    @Option(
        help: ArgumentHelp(
            "The shape of a published model instead: \(PublishedShape.all.map(\.name).joined(separator: ", ")). (default: none)", valueName: "name"))
    var shape: String?

    @Option(help: ArgumentHelp("Quantize linear layers while loading. (default: they stay as they are)", valueName: "format"))
    var loadIn: Quantization?

    @OptionGroup(title: "Weights") var weights: WeightOptions

    @OptionGroup(title: "Work") var work: WorkOptions

    @OptionGroup var quantization: QuantizationOptions

    @OptionGroup var compute: ComputeOptions

    @OptionGroup(title: "Device") var meant: MeantDeviceOptions

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        try quantization.check(loadIn, option: "--load-in")
        if model != nil && shape != nil { throw ValidationError("--model and --shape both name a model; give one") }
        if let shape, PublishedShape.named(shape) == nil {
            throw ValidationError("no shape '\(shape)'; \(Suggestion.text(for: shape, among: PublishedShape.all.map(\.name)))")
        }
    }

    func run() throws {
        clexicon_link()
        let target = try meant.target()
        let source = try source()
        try quantization.checkSkips(source.configuration)
        let outline = try CausalLanguageModel(source.configuration)
        let (context, length) = try work.lengths(for: outline)
        let options = try work.training()
        let asked = try quantization.applied(to: loadIn)

        let generating = CountedModel(try load(source, asked, like: target.kind))
        let trained = try training(source, asked, full: weights.full, like: target.kind)
        var estimates = [
            Estimated(
                title: "generate", size: (work.sequences, context), need: try generating.generating(work.sequences, context: context),
                largest: try largest(target, tokens: context) { try generating.generating($0, context: context) },
                longest: try largest(target, sizes: outline.contextLength, tokens: work.sequences, from: 2) {
                    try generating.generating(work.sequences, context: $0)
                })
        ]
        let ways = [("train", false, false), ("train --recompute", true, false), ("train --offload-block-inputs", true, true)]
        let batches = work.batches
        for (title, recomputes, offloads) in ways where !offloads || target.kind == .cuda {
            func need(_ batch: Int, _ length: Int) throws -> MemoryEstimate {
                try trained.training(options, batch: batch, length: length, packs: batches.packing, recomputes: recomputes, offloads: offloads)
            }
            estimates.append(
                Estimated(
                    title: title, size: (batches.batchSize, length), need: try need(batches.batchSize, length),
                    largest: try largest(target, tokens: length) { try need($0, length) },
                    longest: try largest(target, sizes: outline.contextLength, tokens: batches.batchSize, from: 2) { try need(batches.batchSize, $0) }
                ))
        }
        let onGPU = target.kind == .cuda ? generating : CountedModel(try load(source, asked, like: .cuda))
        let table = try table(source, asked, generating: onGPU.generating(work.sequences, context: context), length: length, options)
        let report = EstimateReport(
            name: shape ?? model ?? "lexicon-5m", weightCount: outline.footprint(quantizedTo: nil).parameterCount, trainedCount: trained.trainedCount,
            format: loadIn?.argument, device: target.kind.rawValue, byteCount: target.byteCount, estimates: estimates, gpus: table)
        try Console.writeLine(json ? report.json.compactText : report.text.printable)
    }
}

/// What an estimate is of, and what came of it.
struct Estimated {
    let title: String
    /// How many sequences, and of how many tokens.
    let size: (count: Int, length: Int)
    let need: MemoryEstimate
    /// As many sequences, and as long ones, as the device has room for; nil where nobody said how large it is.
    let largest: LargestSize?
    let longest: LargestSize?
}

/// The largest size that fits, 0 where none does; and whether it is the largest that was tried.
struct LargestSize: CustomStringConvertible {
    let size: Int
    let isLimit: Bool

    init(_ fit: inout LargestFit, within byteCount: Int, upTo limit: Int, from first: Int = 1) throws {
        size = try fit(within: byteCount, upTo: limit - first + 1).map { $0 + first - 1 } ?? 0
        isLimit = size == limit
    }

    /// `9`, or `256+` where there may be more.
    var description: String { "\(size)\(isLimit ? "+" : "")" }
}

// MARK: - Models

extension Estimate {
    /// Where the model's shapes come from.
    private struct Source {
        let configuration: ModelConfiguration
        /// nil for a shape without files.
        let folder: ModelFolder?
    }

    private func source() throws -> Source {
        if let shape = shape.flatMap(PublishedShape.named) { return Source(configuration: try shape.configuration, folder: nil) }
        let folder = try ModelFolder(model ?? "lexicon-5m")
        return Source(configuration: try ModelConfiguration(folder), folder: folder)
    }

    private func load(_ source: Source, _ quantization: ModelQuantization, like kind: Device.Kind) throws -> CausalLanguageModel {
        let options = LoadOptions(
            quantization, computeDType: compute.compute?.dtype, activations: compute.activations.dtype, cache: compute.cache?.dtype,
            device: .counting(like: kind))
        guard let folder = source.folder else { return try CausalLanguageModel.random(source.configuration, options: options).model }
        return try CausalLanguageModel.load(folder, options: options).model
    }

    /// The model with what is trained of it.
    private func training(_ source: Source, _ quantization: ModelQuantization, full: Bool, like kind: Device.Kind) throws -> CountedModel {
        var weights = weights
        (weights.full, weights.loraStart) = (full, .kaiming)
        let model = try load(source, weights.loaded(quantization), like: kind)
        return CountedModel(model, training: try weights.trained(of: model, seed: 0, baseModel: nil) { nil })
    }
}

// MARK: - What fits

extension Estimate {
    /// The most sequences of so many tokens, or the most tokens of so many sequences, that the device has room for.
    private func largest(
        _ target: MeantDevice, sizes: Int = 1024, tokens: Int, from first: Int = 1, _ need: @escaping (Int) throws -> MemoryEstimate
    ) throws -> LargestSize? {
        guard let byteCount = target.byteCount else { return nil }
        var fit = LargestFit { try need($0 + first - 1).peak.total }
        return try LargestSize(&fit, within: byteCount, upTo: max(first, min(sizes, (1 << 20) / tokens)), from: first)
    }

    /// What each GPU has room for.
    private func table(
        _ source: Source, _ asked: ModelQuantization, generating: MemoryEstimate, length: Int, _ options: TrainingOptions
    ) throws -> [EstimateReport.GPU] {
        var quantized = asked
        if quantized.layers == nil { quantized.layers = .fourBit(.nf4) }
        func fit(_ quantization: ModelQuantization, full: Bool) throws -> LargestFit {
            let model = try training(source, quantization, full: full, like: .cuda)
            return LargestFit { try model.training(options, batch: $0, length: length, recomputes: true).peak.total }
        }
        var (adapter, whole) = (try fit(quantized, full: false), try fit(ModelQuantization(), full: true))
        let limit = max(1, min(256, (1 << 18) / length))
        return try GPUModel.all.map { gpu in
            EstimateReport.GPU(
                gpu: gpu, generates: generating.peak.total <= gpu.usableByteCount,
                adapterBatch: try LargestSize(&adapter, within: gpu.usableByteCount, upTo: limit),
                wholeBatch: try LargestSize(&whole, within: gpu.usableByteCount, upTo: limit))
        }
    }
}

/// The device that is meant, and the bytes that it has for work; nil where nobody said.
struct MeantDevice {
    let kind: Device.Kind
    let byteCount: Int?
}

extension MeantDeviceOptions {
    fileprivate func target() throws -> MeantDevice {
        guard let deviceMemory else {
            let found = try MachineOptions.device(device)
            return MeantDevice(kind: found == .cpu ? .cpu : .cuda, byteCount: Diagnosis.freeMemory(of: found))
        }
        let name = try MachineOptions.name(device)
        if name == .cpu || name == .auto && !Device.hasCUDA { return MeantDevice(kind: .cpu, byteCount: deviceMemory.count) }
        return MeantDevice(kind: .cuda, byteCount: max(0, deviceMemory.count - GPUModel.reservedByteCount))
    }
}
