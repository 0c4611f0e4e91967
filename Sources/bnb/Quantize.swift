import ArgumentParser
import BitsBench
import BitsCheckpoints
import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsQuant
import BitsTune
import CLexicon

/// `bnb quantize`: a checkpoint in 4 or 8 bits.
struct Quantize: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Quantize a checkpoint to nf4, fp4 or int8, in bitsandbytes' format.",
        discussion: """
            Linear layers are quantized, the model's other weights are copied; tensors that the model does not use are left out, with a warning. What \
            is written loads here, and in transformers with bitsandbytes; embeddings, and a head in another format than the layers, load here alone.
            """)

    @OptionGroup var source: ModelName

    @Option(
        help: ArgumentHelp(
            "What linear layers become: nf4, nf4-dq, fp4, fp4-dq or int8. (default: there is none; this or --plan has to be given)",
            valueName: "format"))
    var to: Quantization?

    @Option(help: ArgumentHelp("A file of bnb report that says what each layer becomes. (default: all become what --to says)", valueName: "file"))
    var plan: PlanFile?

    @OptionGroup var quantization: QuantizationOptions

    @Option(
        help: ArgumentHelp(
            "What config.json asks readers to compute in. (default: bfloat16 if the weights are, else float32)",
            valueName: "type"))
    var compute: FloatingType?

    @OptionGroup var result: CheckpointOutput

    @OptionGroup var machine: MachineOptions

    func validate() throws {
        if plan != nil && to != nil { throw ValidationError("--plan and --to both say what layers become; use one") }
        if plan == nil && to == nil { throw ValidationError("--to is missing; say what linear layers become: nf4, nf4-dq, fp4, fp4-dq or int8") }
        try quantization.check(to, option: "--to")
    }

    func run() throws {
        clexicon_link()
        try OutputFolder.check(result.output)
        let device = try machine.prepare()
        let folder = try source.folder()
        try quantization.checkSkips(folder)
        let products = try compute?.dtype ?? ModelConfiguration(folder).usualProducts
        let wanted = try plan.map { plan throws(ModelFileError) in try plan.quantization(for: folder, compute: products) }
        let quantizer = try CheckpointQuantizer(folder, to: try wanted ?? quantization.applied(to: to, compute: products), on: device)
        try quantization.requireCoverage?.check(quantizer.coverage)
        let bar = ProgressBar("quantizing")
        let report = try quantizer.write(to: result.output, maximumFileByteCount: result.maxShardSize.count) { bar.update($0) }
        bar.finish()
        Console.warn(report.warnings)
        let readers = plan == nil ? "" : "\n  \(report.readers)"
        try Console.writeLine(result.json ? report.json(output: result.output).compactText : report.text(output: result.output) + readers)
    }
}

extension ModelReport {
    /// Who can read the checkpoint. transformers decides by one setting for all layers whether their weights are in 4 bits or in 8, and takes what else there is to
    /// know of one in 4 bits from its own entries.
    fileprivate var readers: String {
        let bits = Set(quantized.filter { $0.role != .embedding }.map { $0.form == "int8" })
        if bits.count > 1 { return "it loads here; transformers reads no checkpoint with layers in 4 bits and others in 8" }
        if quantized.contains(where: { $0.role == .embedding }) { return "it loads here; transformers reads no quantized embeddings" }
        return "it loads here, and in transformers with bitsandbytes"
    }

    /// What was quantized, what was kept, and the sizes.
    fileprivate func text(output: String) -> String {
        let embeddings = quantized.count { $0.role == .embedding }
        let also = embeddings == 0 ? "" : " and \(embeddings) \(embeddings == 1 ? "embedding" : "embeddings")"
        var lines = ["\(output): \(quantized.count - embeddings) linear layers\(also) quantized, \(kept.count) kept"]
        lines += kept.map { "  kept \($0.path): \($0.reason)" }
        let left = coverage.left.isEmpty ? "" : "; left: \(coverage.leftText)"
        lines.append("  \(coverage.percentage) of the weights of linear layers, heads aside, are quantized\(left)")
        lines.append("  \(Bytes(byteCountBefore)) became \(Bytes(byteCount)), \(Bytes.ratio(byteCountBefore, byteCount)) times smaller")
        return lines.joined(separator: "\n")
    }

    fileprivate func json(output: String) -> JSONValue {
        [
            "output": .string(output),
            "quantized": .array(quantized.map { .string($0.path) }),
            "kept": .array(kept.map { ["path": .string($0.path), "reason": .string($0.reason)] }),
            "coverage": .number(JSONNumber(coverage.share)),
            "left": .array(coverage.left.map { .string($0) }),
            "non_finite": .array(nonFinite.map { ["path": .string($0.path), "count": .number(JSONNumber($0.nonFiniteCount))] }),
            "unmatched_skips": .array(unmatchedSkips.map { .string($0) }),
            "unused": .array(unused.map { .string($0) }),
            "bytes_before": .number(JSONNumber(byteCountBefore)),
            "bytes": .number(JSONNumber(byteCount)),
            "peak_memory_bytes": Diagnosis.peakMemory.map { .number(JSONNumber($0)) } ?? .null,
        ]
    }
}
