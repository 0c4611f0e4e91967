import ArgumentParser
import BitsBench
import BitsCheckpoints
import BitsIO
import BitsTune
import CLexicon

/// `bnb dequantize`: a quantized checkpoint in 16 or 32 bits.
struct Dequantize: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Turn a quantized checkpoint back into 16 or 32 bits.",
        discussion: """
            Quantized weights become what their codes stand for, all else is copied. The result is for programs that read no quantized weights, for \
            merging adapters and for quantizing in another format; it is no more precise than what it was made of.
            """)

    @Option(
        name: [.short, .long],
        help: ArgumentHelp("A quantized model: a folder in the Hugging Face layout, or a model in the local cache.", valueName: "model"))
    var model: String

    @Option(
        help: ArgumentHelp(
            "Write every floating-point tensor in this type. (default: each weight in the one that was quantized)",
            valueName: "type"))
    var dtype: FloatingType?

    @OptionGroup var result: CheckpointOutput

    @OptionGroup var machine: MachineOptions

    func run() throws {
        clexicon_link()
        try OutputFolder.check(result.output)
        let device = try machine.prepare()
        let dequantizer = try CheckpointDequantizer(try ModelName.folder(model), to: dtype?.dtype, on: device)
        let bar = ProgressBar("dequantizing")
        let report = try dequantizer.write(to: result.output, maximumFileByteCount: result.maxShardSize.count) { bar.update($0) }
        bar.finish()
        Console.warn(report.warnings)
        try Console.writeLine(result.json ? report.json(output: result.output).compactText : report.text(output: result.output))
    }
}

extension CheckpointDequantizer.Report {
    fileprivate func text(output: String) -> String {
        let formats = Dictionary(grouping: layers, by: \.format).map { "\($1.count) in \($0)" }.sorted().joined(separator: ", ")
        return """
            \(output): \(layers.count) layers dequantized (\(formats))
              \(Bytes(checkpointByteCount)) became \(Bytes(byteCount))
            """
    }

    fileprivate func json(output: String) -> JSONValue {
        [
            "output": .string(output),
            "dequantized": .array(layers.map { ["path": .string($0.path), "format": .string($0.format)] }),
            "non_finite": .array(nonFinite.map { ["name": .string($0.name), "count": .number(JSONNumber($0.count))] }),
            "bytes_before": .number(JSONNumber(checkpointByteCount)),
            "bytes": .number(JSONNumber(byteCount)),
            "peak_memory_bytes": Diagnosis.peakMemory.map { .number(JSONNumber($0)) } ?? .null,
        ]
    }
}
