import ArgumentParser
import BitsCore
import BitsIO
import BitsModels
import BitsQuant
import BitsTune

/// `--load-in`: what linear layers are quantized to while a model is read.
enum LoadFormat: String, CaseIterable, ExpressibleByArgument {
    case nf4
    case nf4Double = "nf4-dq"
    case fp4
    case fp4Double = "fp4-dq"

    /// Also takes `bnb.nf4`, as other tools write it.
    init?(argument: String) {
        let name = argument.hasPrefix("bnb.") ? String(argument.dropFirst(4)) : argument
        self.init(rawValue: name.lowercased())
    }

    func settings(doubleQuantization: Bool, compute: DType) -> BitsAndBytesConfig {
        switch self {
        case .nf4: .fourBit(.nf4, doubleQuantization: doubleQuantization, computeType: compute)
        case .nf4Double: .fourBit(.nf4, doubleQuantization: true, computeType: compute)
        case .fp4: .fourBit(.fp4, doubleQuantization: doubleQuantization, computeType: compute)
        case .fp4Double: .fourBit(.fp4, doubleQuantization: true, computeType: compute)
        }
    }
}

/// `--to`: a 4-bit format, also as `bnb.nf4`.
struct QuantizedFormat: ExpressibleByArgument {
    let format: FourBitFormat

    init?(argument: String) {
        guard let format = FourBitFormat(rawValue: argument.hasPrefix("bnb.") ? String(argument.dropFirst(4)) : argument) else { return nil }
        self.format = format
    }

    static var allValueStrings: [String] { FourBitFormat.allCases.map(\.rawValue) }
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
        guard let device = try Diagnosis.device(device) else { throw ValidationError("no device '\(device)'; use cpu") }
        if let threads { Processor.setThreadCount(threads) }
        return device
    }
}

/// Which model, and how it is loaded.
struct ModelOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A folder in the Hugging Face layout, a model in the local cache, or the one built in.", valueName: "model"))
    var model = "lexicon-5m"

    @Option(help: ArgumentHelp("A LoRA adapter to put on the model: a folder as PEFT writes it.", valueName: "folder"))
    var adapter: String?

    @Option(help: ArgumentHelp("Quantize linear layers while loading: nf4, nf4-dq, fp4 or fp4-dq.", valueName: "format"))
    var loadIn: LoadFormat?

    @Flag(help: "Quantize the scales of --load-in too, as nf4-dq and fp4-dq do.")
    var doubleQuantization = false

    @Option(help: ArgumentHelp("Weights per block of --load-in.", valueName: "number"))
    var blockSize = BlockSize.fourBitDefault.count

    @Option(help: ArgumentHelp("Layers that --load-in leaves as they are, instead of lm_head; may be repeated.", valueName: "name"))
    var skip: [String] = []

    @OptionGroup var machine: MachineOptions

    func validate() throws {
        if doubleQuantization && loadIn == nil { throw ValidationError("--double-quantization needs --load-in nf4 or fp4") }
        if !skip.isEmpty && loadIn == nil { throw ValidationError("--skip needs --load-in") }
        guard BlockSize.supported.contains(blockSize) else { throw ValidationError(BlockSize.refusal(blockSize)) }
    }

    /// Loads the model, and says on standard error what deserves attention.
    func load(compute: ComputeType) throws -> (folder: ModelFolder, loaded: LoadedModel) {
        let device = try machine.prepare()
        let folder = try ModelFolder(model)
        var settings = loadIn?.settings(doubleQuantization: doubleQuantization, compute: compute.dtype)
        if !skip.isEmpty { settings?.skipModules = skip }
        var options = LoadOptions(quantization: settings, computeDType: compute.dtype)
        options.blockSize = try BlockSize(blockSize)
        options.device = device
        let loaded = try LoadedModel(folder, options: options)
        if let adapter { _ = try Adapter(ModelFolder(path: adapter), on: loaded.model) }
        for warning in loaded.report.warnings { Console.note("bnb: warning: \(warning)\n") }
        if loadIn != nil, let method = try loaded.configuration.quantization?.method {
            Console.note("bnb: warning: the checkpoint is in \(method) already and stays so; --load-in does nothing\n")
        }
        return (folder, loaded)
    }
}

extension BlockSize {
    /// Why `count` is none.
    static func refusal(_ count: Int) -> String { "\(QuantizationError.unsupportedBlockSize(count, supported: supported))" }
}
