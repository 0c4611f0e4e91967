import ArgumentParser
import BitsCore
import BitsIO
import BitsModels
import BitsQuant
import BitsTune

/// What linear layers are quantized to: `--load-in`, and `--to` of `quantize`.
enum QuantizedFormat: String, CaseIterable, ExpressibleByArgument {
    case nf4
    case nf4Double = "nf4-dq"
    case fp4
    case fp4Double = "fp4-dq"
    case int8

    /// Also takes `bnb.nf4`, as other tools write it.
    init?(argument: String) {
        let name = argument.lowercased()
        self.init(rawValue: name.hasPrefix("bnb.") ? String(name.dropFirst(4)) : name)
    }

    func settings(_ options: QuantizationOptions, compute: DType) -> BitsAndBytesConfig {
        var settings: BitsAndBytesConfig =
            switch self {
            case .nf4: .fourBit(.nf4, doubleQuantization: options.doubleQuantization, computeType: compute)
            case .nf4Double: .fourBit(.nf4, doubleQuantization: true, computeType: compute)
            case .fp4: .fourBit(.fp4, doubleQuantization: options.doubleQuantization, computeType: compute)
            case .fp4Double: .fourBit(.fp4, doubleQuantization: true, computeType: compute)
            case .int8: .int8()
            }
        if let threshold = options.outlierThreshold { settings.outlierThreshold = threshold }
        if !options.skip.isEmpty { settings.skipModules = options.skip }
        return settings
    }
}

/// How layers are quantized, for `--load-in` and `--to`.
struct QuantizationOptions: ParsableArguments {
    @Flag(help: "Quantize the scales of nf4 and fp4 too, to 8 bits, as nf4-dq and fp4-dq do.")
    var doubleQuantization = false

    @Option(help: ArgumentHelp("Weights per block of nf4 and fp4: 32, 64, ... 4096. (default: 64)", valueName: "number"))
    var blockSize: Int?

    @Option(help: ArgumentHelp("Activations of at least this magnitude are not quantized by int8; 0 for none. (default: 6)", valueName: "number"))
    var outlierThreshold: Double?

    @Option(
        help: ArgumentHelp(
            "Layers to leave as they are, instead of the output head: a path, its beginning or end, or an expression; may be repeated.",
            valueName: "name"))
    var skip: [String] = []

    /// Checks what fits `format`, which `option` asks for.
    func check(_ format: QuantizedFormat?, option: String) throws {
        if let blockSize, !BlockSize.supported.contains(blockSize) {
            throw ValidationError("\(QuantizationError.unsupportedBlockSize(blockSize, supported: BlockSize.supported))")
        }
        if let outlierThreshold, !(outlierThreshold >= 0 && outlierThreshold.isFinite) {
            throw ValidationError("--outlier-threshold \(outlierThreshold) is not a number from 0")
        }
        if format == nil, !skip.isEmpty { throw ValidationError("--skip needs \(option)") }
        let isFourBit = format != nil && format != .int8
        if doubleQuantization && !isFourBit { throw ValidationError("--double-quantization needs \(option) nf4 or fp4") }
        if blockSize != nil && !isFourBit { throw ValidationError("--block-size needs \(option) nf4 or fp4; int8 has a scale for each row") }
        if outlierThreshold != nil && format != .int8 { throw ValidationError("--outlier-threshold needs \(option) int8") }
    }

    /// The block size that was asked for, or the usual one.
    var size: BlockSize { get throws { try blockSize.map { size throws(QuantizationError) in try BlockSize(size) } ?? .fourBitDefault } }
}

/// `--dtype`: a floating-point type, under torch's names too.
enum FloatingType: String, CaseIterable, ExpressibleByArgument {
    case float32, float16, bfloat16

    init?(argument: String) {
        let name = argument.hasPrefix("torch.") ? String(argument.dropFirst(6)) : argument
        let short = ["fp32": "float32", "fp16": "float16", "bf16": "bfloat16", "half": "float16"]
        self.init(rawValue: short[name] ?? name)
    }

    var dtype: DType {
        switch self {
        case .float32: .float32
        case .float16: .float16
        case .bfloat16: .bfloat16
        }
    }
}

/// `--compute`: what products round their operands to.
enum ComputeType: String, CaseIterable, ExpressibleByArgument {
    case float32, bfloat16

    var dtype: DType {
        switch self {
        case .float32: .float32
        case .bfloat16: .bfloat16
        }
    }
}

/// Where the work is done.
struct MachineOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Where to compute: cpu.", valueName: "device"))
    var device = "cpu"

    @Option(help: ArgumentHelp("Threads; by default the processors allowed to the process.", valueName: "number"))
    var threads: Int?

    func validate() throws {
        if let threads, threads < 1 || threads > 1024 { throw ValidationError("--threads \(threads) is not between 1 and 1024") }
    }

    /// Sets the threads, and gives the device.
    func prepare() throws -> Device {
        if let threads { Processor.setThreadCount(threads) }
        do { return try Device(named: device) } catch DeviceError.unknownDevice { throw ValidationError("\(DeviceError.unknownDevice(device))") }
    }
}

/// Which model, and how it is loaded.
struct ModelOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A folder in the Hugging Face layout, a model in the local cache, or the one built in.", valueName: "model"))
    var model = "lexicon-5m"

    @Option(help: ArgumentHelp("A LoRA adapter to put on the model: a folder as PEFT writes it.", valueName: "folder"))
    var adapter: String?

    @Option(help: ArgumentHelp("Quantize linear layers while loading: nf4, nf4-dq, fp4, fp4-dq or int8.", valueName: "format"))
    var loadIn: QuantizedFormat?

    @OptionGroup var quantization: QuantizationOptions

    @OptionGroup var machine: MachineOptions

    func validate() throws { try quantization.check(loadIn, option: "--load-in") }

    /// Loads the model, and says on standard error what deserves attention.
    ///
    /// - Parameter compute: nil computes as the checkpoint's quantization says, or in float32.
    func load(compute: ComputeType?) throws -> (folder: ModelFolder, loaded: LoadedModel) {
        let device = try machine.prepare()
        let folder = try ModelFolder(model)
        var options = LoadOptions(quantization: loadIn?.settings(quantization, compute: compute?.dtype ?? .float32), computeDType: compute?.dtype)
        options.blockSize = try quantization.size
        options.device = device
        let bar = ProgressBar("loading")
        let loaded = try LoadedModel(folder, options: options) { bar.update($0) }
        bar.finish()
        if let adapter { _ = try Adapter(ModelFolder(path: adapter), on: loaded.model) }
        for warning in loaded.report.warnings { Console.note("bnb: warning: \(warning)\n") }
        return (folder, loaded)
    }
}
