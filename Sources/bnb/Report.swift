import ArgumentParser
import BitsBench
import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsQuant
import BitsTune
import CLexicon

/// `bnb report`: what quantization costs each layer, and a plan that mixes forms.
struct Report: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure what each form of quantization does to each layer, and plan a mixed choice.",
        discussion: """
            The model runs once over the first windows of a text as it is; on the way each layer is quantized in every form, and its weights and outputs \
            are compared. A backward pass tells how much the loss feels of each layer. Within the budget the plan has the forms that raise the loss least, \
            as far as these measurements say; bnb quantize --plan carries it out, and --plan of other verbs does so while loading.
            """)

    @OptionGroup var source: ModelName

    @Option(help: ArgumentHelp("A file of text, or - for standard input. (default: the text built in)", valueName: "file"))
    var text: String?

    @Option(help: ArgumentHelp("Tokens per window.", valueName: "number"))
    var window = 256

    @Option(help: ArgumentHelp("Windows to measure on; the rest of the text is for --evaluate.", valueName: "number"))
    var windows = 4

    @Option(
        help: ArgumentHelp(
            "A form to measure beside nf4-dq: nf4, nf4-dq, fp4, fp4-dq or int8; may be repeated. (default: all)", valueName: "format"))
    var loadIn: [Quantization] = []

    @Option(help: ArgumentHelp("Weights per block of 4-bit forms; may be repeated. (default: 32, 64, ... 4096)", valueName: "number"))
    var blockSize: [Int] = []

    @Option(
        help: ArgumentHelp(
            "What all weights of the model may take: 3.5GB, or as much as a form takes, nf4-dq, or 1.1xnf4-dq. (default: nf4-dq)", valueName: "size"))
    var budget: WeightBudget?

    @Option(help: ArgumentHelp("The same in bits a weight of the layers that may be quantized. (default: what --budget says)", valueName: "number"))
    var bits: Double?

    @Option(
        help: ArgumentHelp("Layers that the plan leaves as they are, see bnb quantize --help; may be repeated. (default: none)", valueName: "name"))
    var skip: [String] = []

    @Flag(help: "Let the plan quantize the embedding table and output heads too.")
    var quantizeEmbeddings = false

    @Flag(help: "Measure the loss on the rest of the text: as it is, in nf4-dq and as planned.")
    var evaluate = false

    @Option(help: ArgumentHelp("Layers to list.", valueName: "number"))
    var top = 10

    @Option(
        name: [.short, .long], help: ArgumentHelp("Write the plan to this file; it must not exist. (default: it is not kept)", valueName: "file"))
    var output: String?

    @Option(help: ArgumentHelp("Draw the errors as a picture (SVG) into this file; it must not exist. (default: none is drawn)", valueName: "file"))
    var picture: String?

    @Flag(help: "Print one JSON object, with every layer and form.")
    var json = false

    @OptionGroup var machine: MachineOptions

    func validate() throws {
        for (name, value, least) in [("--window", window, 2), ("--windows", windows, 1), ("--top", top, 0)] where value < least {
            throw ValidationError("\(name) \(value) is not at least \(least)")
        }
        if let size = blockSize.first(where: { !BlockSize.fourBitSupported.contains($0) }) {
            throw ValidationError("\(QuantizationError.unsupportedBlockSize(size, supported: BlockSize.fourBitSupported))")
        }
        if budget != nil && bits != nil { throw ValidationError("--budget and --bits say the same twice; use one") }
        if let bits, !(bits > 0 && bits <= 64) { throw ValidationError("--bits \(bits) is not above 0 and at most 64") }
    }

    func run() throws {
        clexicon_link()
        for path in [output, picture].compactMap({ $0 }) { try OutputFile.check(path) }
        let text = try text.map { path throws(ModelFileError) in try TextInput.read(path) } ?? Evaluate.builtInText()
        let device = try machine.prepare()
        let folder = try source.folder()
        let configuration = try ModelConfiguration(folder)
        if let method = try configuration.quantization?.method {
            throw ModelFileError.unsupported(path: folder.description, "is quantized already (\(method)); start from the model's unquantized version")
        }
        if try evaluate && EvaluatedTask(configuration) != .causal { throw ValidationError("--evaluate is for causal language models") }
        let taken = try takenLayers(ModelPlan(try ModelRegistry.model(configuration)))
        let bar = ProgressBar("measuring")
        let study = try PrecisionStudy(folder, text: text, window: window, windows: windows, forms: try forms(), on: device, taking: taken) {
            bar.update($0)
        }
        bar.finish()
        let planned = try study.plan(within: try budget(study))
        let evaluating = ProgressBar("evaluating")
        let losses = evaluate ? try study.losses(of: planned) { evaluating.update($0) } : nil
        evaluating.finish()
        if let output { try planned.plan.json.write(to: output) }
        if let picture { try OutputFile.replace(picture, with: Array(ErrorMap(study.errors, planned).svg().utf8)) }
        if json { return try Console.writeLine(study.json(planned, losses).compactText) }
        try Console.writeLine(study.text(planned, losses, top: top, width: Console.columns).printable)
        if let output { try Console.writeLine("\nthe plan is in \(output); 'bnb quantize --plan \(output)' carries it out") }
    }

    /// What is measured: nf4-dq, which others are compared with, and what is asked for.
    private func forms() throws -> [Quantization] {
        let sizes = try (blockSize.isEmpty ? BlockSize.fourBitSupported : blockSize).map { size throws(QuantizationError) in try BlockSize(size) }
        let names = Set(loadIn.map(\.name))
        let all = Quantization.forms(blockSizes: sizes).filter { names.isEmpty || names.contains($0.name) }
        return all.contains(PrecisionStudy.yardstick) ? all : [PrecisionStudy.yardstick] + all
    }

    /// The layers that the plan may quantize.
    private func takenLayers(_ plan: ModelPlan) throws -> Set<String> {
        let patterns = skip.map(ModulePattern.init)
        for (entry, pattern) in zip(skip, patterns) where !plan.layers.contains(where: { pattern.matches($0.path) }) {
            throw ValidationError("--skip '\(entry)' matches no layer")
        }
        let taken = plan.layers.filter { layer in
            let isWanted = layer.role == .linear ? layer.keptByDefault == nil : quantizeEmbeddings
            return isWanted && !patterns.contains { $0.matches(layer.path) }
        }
        guard !taken.isEmpty else { throw ValidationError("there is no layer left that may be quantized; use a shorter --skip") }
        return Set(taken.map(\.path))
    }

    /// Bytes that all weights of the model may take.
    private func budget(_ study: PrecisionStudy) throws -> Int {
        if let bits { return study.byteCount(bits: bits) }
        switch budget ?? .form(PrecisionStudy.yardstick, factor: 1) {
        case .bytes(let size): return size.count
        case .form(let form, let factor):
            guard study.errors.forms.contains(form) else { throw ValidationError("--budget \(form.name) is not among the forms of --load-in") }
            return Int(factor * Double(study.byteCount(of: study.uniform(form))))
        }
    }
}
