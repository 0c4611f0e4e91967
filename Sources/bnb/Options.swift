public import ArgumentParser
import BitsBench
import BitsCore
import BitsHub
import BitsIO
import BitsModels
import BitsNN
public import BitsQuant
import BitsTune

/// How `--load-in`, `--to` and `--head` name a quantization: nf4, nf4-dq, fp4, fp4-dq, int8; also `bnb.nf4`, `4bit` and `8bit`, as other tools write it.
extension Quantization: ExpressibleByArgument {
    public static var allValueStrings: [String] { named.map(\.key) }

    /// The name that it has on the command line; nil where it has none.
    var argument: String? { Quantization.named.first { $0.value == self }?.key }

    public init?(argument: String) {
        let name = argument.lowercased()
        let bits = ["4bit": "nf4", "8bit": "int8"]
        let short = bits[name] ?? (name.hasPrefix("bnb.") ? String(name.dropFirst(4)) : name)
        self.init(named: short)
    }
}

/// How layers are quantized, for `--load-in` and `--to`.
struct QuantizationOptions: ParsableArguments {
    @Flag(help: "Quantize the scales of nf4 and fp4 too, to 8 bits, as nf4-dq and fp4-dq do.")
    var doubleQuantization = false

    @Option(help: ArgumentHelp("Weights per block of nf4 and fp4: 32, 64, ... 4096. (default: 64)", valueName: "number"))
    var blockSize: Int?

    @Option(help: ArgumentHelp("Activations of at least this magnitude are not quantized by int8; 0 for none. (default: 6)", valueName: "number"))
    var outlierThreshold: Float?

    @Option(
        help: ArgumentHelp(
            "Layers to leave as they are: a path, its beginning or end, or an expression; may be repeated. (default: output heads, shared weights, the "
                + "last weight)",
            valueName: "name"))
    var skip: [String] = []

    @Flag(help: "Quantize the embedding table too; a head that shares it multiplies with what it has become.")
    var quantizeEmbeddings = false

    @Option(
        help: ArgumentHelp(
            "Quantize the output head too; one that shares the embedding table has that quantized. (default: it stays as it is)",
            valueName: "format"))
    var head: Quantization?

    @Option(
        help: ArgumentHelp(
            "Fail where less than this share of the weights of linear layers, output heads aside, is quantized: a number from 0 to 1. (default: none)",
            valueName: "share"))
    var requireCoverage: RequiredCoverage?

    /// Checks what fits `format`, which `option` asks for.
    func check(_ format: Quantization?, option: String) throws {
        if let blockSize, !BlockSize.fourBitSupported.contains(blockSize) {
            throw ValidationError("\(QuantizationError.unsupportedBlockSize(blockSize, supported: BlockSize.fourBitSupported))")
        }
        if let outlierThreshold, !(outlierThreshold >= 0 && outlierThreshold.isFinite) {
            throw ValidationError("--outlier-threshold \(outlierThreshold) is not a number from 0")
        }
        if format == nil, !skip.isEmpty { throw ValidationError("--skip needs \(option)") }
        if format == nil, quantizeEmbeddings { throw ValidationError("--quantize-embeddings needs \(option)") }
        let forms = [format, head].compactMap { $0?.formatName }
        let (isInt8, isFourBit) = (forms.contains("int8"), forms.contains { $0 != "int8" })
        if doubleQuantization && !isFourBit { throw ValidationError("--double-quantization needs \(option) nf4 or fp4") }
        if blockSize != nil && !isFourBit { throw ValidationError("--block-size needs \(option) nf4 or fp4; int8 has a scale for each row") }
        if outlierThreshold != nil && !isInt8 { throw ValidationError("--outlier-threshold needs \(option) int8") }
    }

    /// Refuses a skip list that has an entry for nothing in `folder`'s model: the list stands in for the defaults, so a slip would quantize the head.
    func checkSkips(_ folder: ModelFolder) throws {
        if !skip.isEmpty { try checkSkips(ModelConfiguration(folder)) }
    }

    /// The same for the model of `configuration`.
    func checkSkips(_ configuration: ModelConfiguration) throws {
        guard !skip.isEmpty else { return }
        let plan = ModelPlan(try ModelRegistry.model(configuration))
        let paths = plan.layers.map(\.path) + plan.tiedHeads.map(\.path)
        for entry in skip where !paths.contains(where: ModulePattern(entry).matches) {
            let names = Set(paths.compactMap { $0.split(separator: ".").last.map(String.init) }).sorted()
            throw ValidationError("--skip '\(entry)' matches no layer; \(Suggestion.text(for: entry, among: names))")
        }
    }

    /// What becomes of a model's layers, which are to be in `format`.
    ///
    /// - Parameter compute: what products of 4-bit weights round their operands to.
    func applied(to format: Quantization?, compute: DType? = nil) throws -> ModelQuantization {
        let size = try blockSize.map { size throws(QuantizationError) in try BlockSize(size) } ?? .fourBitDefault
        func settled(_ format: Quantization) -> Quantization {
            switch format {
            case .fourBit(let format, _, let isDouble, let storage, _):
                .fourBit(format, blockSize: size, doubleQuantization: isDouble || doubleQuantization, storage: storage, computeDType: compute)
            case .int8(let threshold, _): .int8(outlierThreshold: outlierThreshold ?? threshold)
            }
        }
        let layers = format.map(settled)
        return ModelQuantization(
            layers, embeddings: quantizeEmbeddings ? layers : nil, head: head.map(settled), skipping: skip.isEmpty ? nil : skip)
    }
}

/// A floating-point type, under torch's and other tools' names too.
enum FloatingType: String, CaseIterable, ExpressibleByArgument {
    case float32, float16, bfloat16

    init?(argument: String) {
        let lower = argument.lowercased()
        let name = lower.hasPrefix("torch.") ? String(lower.dropFirst(6)) : lower
        let others = [
            "fp32": "float32", "f32": "float32", "float": "float32", "fp16": "float16", "f16": "float16", "half": "float16", "bf16": "bfloat16",
        ]
        self.init(rawValue: others[name] ?? name)
    }

    var dtype: DType {
        switch self {
        case .float32: .float32
        case .float16: .float16
        case .bfloat16: .bfloat16
        }
    }
}

/// The number types that a model computes in, the same ones by default whatever it is used for.
struct ComputeOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "What products round their operands to; float32 is nothing. (default: what config.json says of 4-bit layers, else bfloat16 if the weights "
                + "are, else float32)", valueName: "type"))
    var compute: FloatingType?

    @Option(help: ArgumentHelp("What flows from layer to layer.", valueName: "type"))
    var activations = FloatingType.float32

    @Option(help: ArgumentHelp("What keys and values are kept in while generating. (default: that of --activations)", valueName: "type"))
    var cache: FloatingType?
}

/// `--seed`: any whole number; one below 0 counts from the other end.
struct Seed: ExpressibleByArgument {
    let number: UInt64

    init(_ number: UInt64) { self.number = number }

    init?(argument: String) {
        guard let number = UInt64(argument) ?? Int64(argument).map({ UInt64(bitPattern: $0) }) else { return nil }
        self.number = number
    }

    var defaultValueDescription: String { "\(number)" }
}

/// Where the work is done.
struct MachineOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Where to compute: cpu, cuda or cuda:N, or auto: the first GPU that can be used, else cpu.", valueName: "device"))
    var device = "auto"

    @Option(name: [.short, .long], help: ArgumentHelp("Threads. (default: the processors allowed to the process)", valueName: "number"))
    var threads: Int?

    func validate() throws {
        if let threads, threads < 1 || threads > 1024 { throw ValidationError("--threads \(threads) is not between 1 and 1024") }
    }

    /// Sets the threads, and gives the device.
    func prepare() throws -> Device {
        if let threads { Processor.setThreadCount(threads) }
        return try MachineOptions.device(device)
    }

    /// Sets the threads, and sees that there are devices of the name, without taking one into use.
    func prepareProcessor() throws {
        if let threads { Processor.setThreadCount(threads) }
        _ = try MachineOptions.name(device)
    }

    /// The device called `name`.
    static func device(_ name: String) throws -> Device {
        let name = try MachineOptions.name(name)
        guard name == .auto else { return try Device(name) }
        let (device, remark) = try Diagnosis.automaticDevice()
        if let remark { Console.note("bnb: \(remark)\n") }
        return device
    }

    static func name(_ text: String) throws -> Device.Name {
        do { return try Device.Name(text) } catch DeviceError.unknownDevice { throw ValidationError("\(DeviceError.unknownDevice(text))") }
    }
}

/// Which model.
struct ModelName: ParsableArguments {
    @Option(
        name: [.short, .long],
        help: ArgumentHelp(
            "A folder in the Hugging Face layout, or organization/name, with @revision if wanted, from the local cache or the hub. (default: the one built in)",
            valueName: "model"))
    var model: String?

    /// The model's files; says on standard error when they are those built in because none were named.
    func folder(announcing: Bool = true) throws(ModelFileError) -> ModelFolder {
        if model == nil && announcing { Console.note("bnb: no --model; this is the built-in lexicon-5m\n") }
        return try ModelName.folder(model ?? "lexicon-5m")
    }

    /// The files of the model called `name`, fetched from the hub where that has to be.
    static func folder(_ name: String) throws(ModelFileError) -> ModelFolder {
        guard Hub.isMeant(by: name) else { return try ModelFolder(name) }
        let bar = ProgressBar("downloading")
        defer { bar.finish() }
        return try Hub().model(name, onWait: { Console.note("bnb: waiting for another process that downloads the same\n") }) { progress in
            bar.update(Double(progress.bytes) / Double(max(1, progress.ofBytes)))
        }
    }
}

/// Which model, and how it is loaded.
struct ModelOptions: ParsableArguments {
    @OptionGroup var source: ModelName

    @Option(
        name: [.short, .long],
        help: ArgumentHelp(
            "A LoRA adapter to put on the model: a folder as PEFT writes it, with =0.5 behind it for half of it; may be repeated. (default: none)",
            valueName: "folder"))
    var adapter: [WeighedAdapter] = []

    @Option(help: ArgumentHelp("Quantize linear layers while loading. (default: they stay as they are)", valueName: "format"))
    var loadIn: Quantization?

    @Option(help: ArgumentHelp("Quantize each layer while loading as this file of bnb report says. (default: there is no plan)", valueName: "file"))
    var plan: PlanFile?

    @OptionGroup var quantization: QuantizationOptions

    @OptionGroup var compute: ComputeOptions

    @OptionGroup var machine: MachineOptions

    func validate() throws {
        if plan != nil && loadIn != nil { throw ValidationError("--plan and --load-in both say what layers become; use one") }
        try quantization.check(loadIn, option: "--load-in")
    }

    /// Loads the model, and says on standard error what deserves attention.
    ///
    /// - Parameter announcing: false where it has been said already which model that is.
    func load(announcing: Bool = true) throws -> (folder: ModelFolder, loaded: LoadedModel) {
        try load(announcing: announcing) { folder, options, progress in
            let loaded = try LoadedModel(folder, options: options, progress: progress)
            return (loaded, loaded.model, loaded.report)
        }
    }

    /// Loads the model for another task than generating.
    func load<Task: RegisteredTask & TaskModel>(for task: Task.Type) throws -> (folder: ModelFolder, loaded: (model: Task, report: ModelReport)) {
        try load { folder, options, progress in
            let loaded = try Task.load(folder, options: options, progress: progress)
            return (loaded, loaded.model, loaded.report)
        }
    }

    private func load<Loaded>(
        announcing: Bool = true,
        _ load: (ModelFolder, LoadOptions, @escaping (Double) -> Void) throws -> (loaded: Loaded, model: TaskModel, report: ModelReport)
    ) throws -> (folder: ModelFolder, loaded: Loaded) {
        let device = try machine.prepare()
        let folder = try source.folder(announcing: announcing)
        try quantization.checkSkips(folder)
        let options = LoadOptions(
            try plan.map { plan throws(ModelFileError) in try plan.quantization(for: folder) } ?? quantization.applied(to: loadIn),
            computeDType: compute.compute?.dtype, activations: compute.activations.dtype,
            cache: compute.cache?.dtype, device: device)
        let bar = ProgressBar("loading")
        let (loaded, model, report) = try load(folder, options) { bar.update($0) }
        bar.finish()
        try quantization.requireCoverage?.check(report.coverage)
        for adapter in adapter { _ = try adapter.load(on: model) }
        Console.warn(report.warnings)
        return (folder, loaded)
    }
}
