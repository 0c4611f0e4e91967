import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsQuant
import BitsTune

/// What the demonstration says, part by part, in lines of 80 characters.
extension Demo {
    private func write(_ lines: [String]) throws { try Console.writeLine(lines.joined(separator: "\n")) }

    /// What quantizing has made of the model.
    func tellSizes(_ loaded: LoadedModel, seconds: Double) throws {
        let (model, report) = (loaded.model, loaded.report)
        let quantized = model.namedModules().flatMap(\.module.quantizedWeights).reduce(0) { $0 + $1.shape.reduce(1, *) }
        let all = try CausalLanguageModel(loaded.configuration).footprint(quantizedTo: nil).parameterCount
        let (before, after) = (report.quantized.reduce(0) { $0 + $1.byteCountBefore }, report.quantized.reduce(0) { $0 + $1.byteCount })
        var table = TextTable(["", "weights", "in the file", "in memory", "bits a weight"])
        func add(_ name: String, _ count: Int, _ before: Int, _ after: Int) {
            table.add([name, "\(count)", "\(Bytes(before))", "\(Bytes(after))", Bytes.rounded(8 * Double(after) / Double(max(1, count)), 2)])
        }
        add("\(report.quantized.count) layers in NF4", quantized, before, after)
        add("the others", all - quantized, report.byteCountBefore - before, report.byteCount - after)
        add("all", all, report.byteCountBefore, report.byteCount)
        try write(
            [
                "lexicon-5m: a language model that is built into bnb", "",
                "1. Quantize to NF4, and the scales to 8 bits, while loading: \(Int(1000 * seconds)) ms", "",
            ] + table.lines(width: 77).map { "   \($0)" })
    }

    func tell(evaluation loss: Double, of count: Int) throws {
        try write(["", "2. Evaluate on \(count) questions that are not trained on: mean loss \(Bytes.rounded(loss, 4)) a token"])
    }

    func tell(training counts: ParameterCounts, questions: Int) throws {
        try write(
            [
                "", "3. Train a LoRA adapter of rank 16 on \(questions) questions, with paged AdamW in 8 bits", "", "   \(counts)",
            ])
    }

    func tell(_ summary: TrainingSummary, _ curve: LossCurve) throws {
        let picture = curve.text().split(separator: "\n").map { "   \($0)" }
        try write(
            (picture.isEmpty ? [] : [""] + picture) + [
                "",
                "   \(summary.progress.step) steps in \(Bytes.rounded(summary.seconds, 1)) s, \(Int(summary.tokensPerSecond)) tokens/s",
            ])
    }

    func tell(losses: (before: Double, after: Double), answers: [(before: String, after: String)]) throws {
        var lines = ["", "4. Evaluate again: mean loss \(Bytes.rounded(losses.before, 4)) before, \(Bytes.rounded(losses.after, 4)) after"]
        let width = Console.columns - 14
        func shortened(_ answer: String) -> String { answer.count <= width ? answer : answer.prefix(width - 1) + "…" }
        for (question, answer) in zip(Demo.questions, answers) {
            lines += ["", "   \(question)", "     before: \(shortened(answer.before))", "     after:  \(shortened(answer.after))"]
        }
        try write(lines)
    }

    /// What training held, by category.
    func tell(_ memory: MemoryEstimate) throws {
        let held = MemoryCategory.allCases.filter { memory.peak[$0] > 0 }
        let largest = held.map { memory.peak[$0] }.max() ?? 1
        var table = TextTable(["", ""])
        for category in held { table.add([category.name, "\(Bytes(memory.peak[category]))"]) }
        let bars = zip(table.lines(width: 35).dropFirst(), held).map { line, category in
            "   " + line + "  " + String(repeating: "█", count: 40 * memory.peak[category] / largest)
        }
        try write(
            ["", "5. Memory in training: at most \(Bytes(memory.peak.total)); \(Bytes(memory.pagedByteCount)) of moments were paged out", ""] + bars)
    }

    func tell(_ report: MergeReport, loss: Double) throws {
        try write(
            [
                "", "6. Merge the adapter into 16-bit weights: \(report.layers.count) layers, written and read back",
                "   mean loss \(Bytes.rounded(loss, 4)) on the questions", "",
            ] + report.differences.map { "   \($0)" })
    }

    func tellWhatIsLeft() throws {
        var lines = ["", "7. Nothing was kept; --output FOLDER keeps the adapter, the merged model and the curve"]
        if let output {
            lines = [
                "", "7. What is left in \(output.printable)", "", "   adapter_config.json, adapter_model.safetensors: the adapter, as PEFT reads it",
                "   merged: the model with the adapter in its weights, as transformers reads it", "   loss.svg: the curve",
            ]
        }
        try write(
            lines + [
                "", "The same with a model and examples of your own:", "", "   bnb estimate --model MODEL --load-in nf4-dq",
                "   bnb train --model MODEL --load-in nf4-dq --optimizer paged_adamw_8bit \\", "     --data examples.jsonl --output run",
                "   bnb generate --model MODEL --load-in nf4-dq --adapter run --prompt TEXT",
                "   bnb merge --model MODEL --adapter run --output merged",
            ])
    }
}
