import ArgumentParser
import BitsTune

/// What is trained.
struct WeightOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "An adapter to go on with, a folder as PEFT writes it; its settings count, not those below. (default: a new one)", valueName: "folder"))
    var adapter: String?

    @Option(help: ArgumentHelp("Rank of the adapter's updates.", valueName: "number"))
    var loraRank = 16

    @Option(help: ArgumentHelp("Updates are scaled by this over the rank. (default: twice the rank)", valueName: "number"))
    var loraAlpha: Float?

    @Option(help: ArgumentHelp("Share of an update's input that is left out in each pass.", valueName: "share"))
    var loraDropout: Float = 0

    @Option(
        help: ArgumentHelp(
            "Layers that get an adapter: names such as q_proj, with commas between, or all-linear for all but the output head; or one expression that matches "
                + "whole paths; may be repeated.", valueName: "names"))
    var targetModules = ["all-linear"]

    @Option(
        help: ArgumentHelp(
            "Targets that get no adapter all the same: names with commas between, or one expression; may be repeated. (default: none)",
            valueName: "names"))
    var excludeModules: [String] = []

    @Option(
        help: ArgumentHelp(
            "Modules that are trained and saved whole: names with commas between; may be repeated. (default: none)", valueName: "names"))
    var modulesToSave: [String] = []

    @Option(
        help: ArgumentHelp(
            "Numbers of the blocks whose layers get an adapter, from 0, with commas between; may be repeated. (default: all)", valueName: "numbers"))
    var layersToTransform: [String] = []

    @Option(
        help: ArgumentHelp(
            "What stands before a block's number in a path, such as layers; may be repeated. (default: whatever stands there)", valueName: "names"))
    var layersPattern: [String] = []

    @Option(
        help: ArgumentHelp(
            "A rank of their own for layers whose paths an expression matches at their end: down_proj=4; may be repeated. (default: --lora-rank)",
            valueName: "pattern"))
    var rankPattern: [LayerSetting<Int>] = []

    @Option(help: ArgumentHelp("An alpha of their own in the same way; may be repeated. (default: --lora-alpha)", valueName: "pattern"))
    var alphaPattern: [LayerSetting<Float>] = []

    @Option(help: "Which biases of the model are trained with the adapter: none, all, or lora_only, those of the layers that have one.")
    var bias = LoRAConfiguration.Biases.none

    @Flag(help: "Give updates a bias of their own.")
    var loraBias = false

    @Flag(help: "Train the norms of an adapted weight's rows by themselves (DoRA).")
    var useDora = false

    @Flag(help: "Scale updates by --lora-alpha over the root of the rank (rsLoRA).")
    var useRslora = false

    @Option(
        help: ArgumentHelp(
            "What an adapter starts from; pissa and olora take it out of the weights, loftq makes up for what 4 bits have lost.", valueName: "start"))
    var loraStart = StartName.kaiming

    @Option(
        help: ArgumentHelp(
            "Rounds of --lora-start loftq; from 2 on the quantized weights change as well, and stand beside the adapter, in base.",
            valueName: "number")
    )
    var loftqIter = 1

    @Flag(help: "Train the model itself instead of an adapter.")
    var full = false

    @Option(
        help: ArgumentHelp(
            "With --full: train these layers alone: a path, its beginning or end, or an expression; may be repeated. (default: all)",
            valueName: "name"))
    var trainOnly: [String] = []

    func validate() throws {
        if !(loraDropout >= 0 && loraDropout < 1) { throw ValidationError("--lora-dropout \(loraDropout) is not from 0 to below 1") }
        if loftqIter < 1 { throw ValidationError("--loftq-iter \(loftqIter) is not at least 1") }
        if loftqIter > 1 && loraStart != .loftq { throw ValidationError("--loftq-iter needs --lora-start loftq") }
        if !trainOnly.isEmpty && !full { throw ValidationError("--train-only needs --full") }
        if adapter != nil && full { throw ValidationError("--adapter and --full both say what is trained; give one") }
        if let loraAlpha, !(loraAlpha > 0 && loraAlpha.isFinite) { throw ValidationError("--lora-alpha \(loraAlpha) is not above 0") }
    }

    /// Whether the adapter changes the weights that it stands around for good.
    var hasOwnBase: Bool { !full && adapter == nil && loftqIter > 1 }

    /// - Parameter baseModel: what the adapter is for, as its file is to say.
    /// - Throws: `ValidationError` for names that cannot be read.
    func configuration(baseModel: String?) throws -> LoRAConfiguration {
        var configuration = LoRAConfiguration(
            rank: loraRank, alpha: loraAlpha ?? 2 * Float(loraRank), dropout: loraDropout,
            targets: try LoRAConfiguration.Targets(options: targetModules),
            isRankStabilized: useRslora, baseModel: baseModel)
        if !excludeModules.isEmpty { configuration.excluded = try ModuleNames(options: excludeModules, of: "--exclude-modules") }
        configuration.modulesToSave = ModuleNames.split(modulesToSave)
        if !layersToTransform.isEmpty {
            configuration.blocks = try ModuleNames.split(layersToTransform).map { text in
                guard let number = Int(text), number >= 0 else { throw ValidationError("--layers-to-transform '\(text)' is no number from 0") }
                return number
            }
        }
        configuration.blockNames = layersPattern
        for setting in rankPattern { configuration.rankPattern.append(setting.expression, setting.value) }
        for setting in alphaPattern { configuration.alphaPattern.append(setting.expression, setting.value) }
        configuration.biases = bias
        configuration.hasUpdateBias = loraBias
        configuration.isWeightDecomposed = useDora
        configuration.start = loraStart.start(rounds: loftqIter)
        return configuration
    }
}

/// What an adapter starts from, by PEFT's names: also `pissa_niter_16`, which takes so many rounds instead of as many as it takes.
enum StartName: ExpressibleByArgument, Equatable {
    case kaiming, gaussian, olora, loftq
    case pissa(iterations: Int? = nil)

    private static let rounds = "pissa_niter_"
    static let allValueStrings = ["kaiming", "gaussian", "pissa", "pissa_niter_16", "olora", "loftq"]

    init?(argument: String) {
        switch argument {
        case "kaiming": self = .kaiming
        case "gaussian": self = .gaussian
        case "pissa": self = .pissa()
        case "olora": self = .olora
        case "loftq": self = .loftq
        default:
            guard argument.hasPrefix(StartName.rounds), let iterations = Int(argument.dropFirst(StartName.rounds.count)), iterations >= 0 else {
                return nil
            }
            self = .pissa(iterations: iterations)
        }
    }

    var defaultValueDescription: String { argument }

    var argument: String {
        switch self {
        case .kaiming: "kaiming"
        case .gaussian: "gaussian"
        case .olora: "olora"
        case .loftq: "loftq"
        case .pissa(let iterations): iterations.map { "\(StartName.rounds)\($0)" } ?? "pissa"
        }
    }

    /// - Parameter rounds: of LoftQ.
    func start(rounds: Int) -> LoRAStart {
        switch self {
        case .kaiming: .kaiming
        case .gaussian: .gaussian
        case .olora: .olora
        case .loftq: .loftQ(rounds: rounds)
        case .pissa(let iterations): .pissa(iterations: iterations)
        }
    }
}
