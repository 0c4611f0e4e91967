import ArgumentParser
import BitsBench
import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsQuant
import BitsTune
import CLexicon

/// `bnb merge`: a checkpoint with adapters in its weights.
struct Merge: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Put LoRA adapters into a model's weights.",
        discussion: """
            Weights are added to in float32 and rounded once to the type that they have. An adapter that was trained on a quantized model is merged \
            exactly into what its codes stand for with --load-in, and into the unquantized weights without; --to quantizes the result. What is \
            written is read back, and its weights and logits are compared with those of the model with its adapters.
            """)

    @OptionGroup var source: ModelName

    @Option(
        name: [.short, .long],
        help: ArgumentHelp(
            "A LoRA adapter to merge: a folder as PEFT writes it, with =0.5 behind it for half of it; may be repeated.", valueName: "folder"))
    var adapter: [WeighedAdapter]

    @Option(
        help: ArgumentHelp("Quantize linear layers before: what the adapter was trained on. (default: they stay as they are)", valueName: "format"))
    var loadIn: Quantization?

    @Option(
        help: ArgumentHelp("What linear layers become: nf4, nf4-dq, fp4, fp4-dq or int8. (default: 16 or 32 bits, as before)", valueName: "format"))
    var to: Quantization?

    @OptionGroup var quantization: QuantizationOptions

    @Option(help: ArgumentHelp("A file of text to compare logits on. (default: tokens drawn at random)", valueName: "file"))
    var text: String?

    @OptionGroup var result: CheckpointOutput

    @OptionGroup var machine: MachineOptions

    func validate() throws { try quantization.check(to ?? loadIn, option: to == nil ? "--load-in" : "--to") }

    func run() throws {
        clexicon_link()
        try OutputFolder.check(result.output)
        let device = try machine.prepare()
        let folder = try source.folder()
        try quantization.checkSkips(folder)
        if let to, let required = quantization.requireCoverage {
            try required.check(
                QuantizationCoverage(ModelPlan(try ModelRegistry.model(ModelConfiguration(folder))), of: try quantization.applied(to: to)))
        }
        let text = try text.map { path throws(ModelFileError) in try TextInput.read(path) }
        let bar = ProgressBar("loading")
        let loaded = try LoadedModel(folder, options: LoadOptions(try quantization.applied(to: loadIn), device: device)) { bar.update($0) }
        bar.finish()
        if to == nil { try quantization.requireCoverage?.check(loaded.report.coverage) }
        let adapters = try adapter.map { adapter throws(ModelFileError) in try adapter.load(on: loaded.model) }
        let tokens = try text.map { try Tokenizer(folder).encode($0, addsSpecialTokens: false) }
        let saving = ProgressBar("saving")
        let report = try loaded.merge(
            adapters, quantizingTo: to.map { try quantization.applied(to: $0) }, probe: tokens, to: result.output,
            maximumFileByteCount: result.maxShardSize.count
        ) { saving.update($0) }
        saving.finish()
        Console.warn(loaded.report.warnings + (report.quantization?.warnings ?? []))
        try Console.writeLine(result.json ? report.json(output: result.output).compactText : report.text(output: result.output))
    }
}

extension MergeReport {
    /// What the merge has changed, a line each.
    var differences: [String] {
        let worst = worstLayer.map { ["most in \($0.path): by \(Bytes.rounded($0.error, 6))"] } ?? []
        return ["weights are off by \(Bytes.rounded(meanError, 6)) of their norm"] + worst + [
            "logits are off by \(Bytes.rounded(logitsError, 6)) of the largest",
            "of \(tokens) tokens \(agreeing) have the same most likely successor",
        ]
    }

    fileprivate func text(output: String) -> String {
        let quantized = quantization.map { ", \($0.quantized.count) quantized" } ?? ""
        return (["\(output): \(layers.count) layers merged\(quantized), and read back"] + differences.map { "  \($0)" }).joined(separator: "\n")
    }

    fileprivate func json(output: String) -> JSONValue {
        [
            "output": .string(output),
            "merged": .array(layers.map { ["path": .string($0.path), "weight_error": .number(finite: $0.error)] }),
            "quantized": .array((quantization?.quantized ?? []).map { .string($0.path) }),
            "weight_error": .number(finite: meanError),
            "logits_error": .number(finite: logitsError),
            "tokens": .number(JSONNumber(tokens)),
            "agreeing": .number(JSONNumber(agreeing)),
            "peak_memory_bytes": Diagnosis.peakMemory.map { .number(JSONNumber($0)) } ?? .null,
        ]
    }
}
