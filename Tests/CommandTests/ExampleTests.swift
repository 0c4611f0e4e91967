import Foundation
import Testing

/// The programs in `Examples/`, run for a few steps.
@Suite struct ExampleTests {
    @Test("the classification with 8-bit AdamW runs, loses as little as with 32 bits, and prints what is really saved")
    func classification() throws {
        let outcome = try Command.run(example: "DebertaClassification", ["12"])
        #expect(outcome.status == 0 && outcome.errors.isEmpty)
        #expect(outcome.output.contains("32-bit moments for deberta.embeddings.word_embeddings.weight"))
        func number(_ pattern: Regex<(Substring, Substring)>) throws -> Double {
            try #require(Double(outcome.output.firstMatch(of: pattern)?.1 ?? ""))
        }
        let (wide, narrow) = (try number(/float32: loss ([0-9.]+)/), try number(/in 32: loss ([0-9.]+)/))
        #expect(abs(wide - narrow) < 0.05)
        // A quarter of the moments are the blocks'; the other three are the table's and stay.
        #expect(10...40 ~= Int(try number(/, ([0-9]+) % of the moments/)))
    }

    @Test(
        "an example runs, and tells what it does",
        arguments: [
            ("QLoRA", ["2", "run"], "the adapter is in run"), ("FullFineTuning", ["2", "model"], "the model is in model"),
            ("MergeAdapter", [], "in 4 bits again"), ("CustomLoop", ["10"], "step 10: loss"),
        ] as [(String, [String], String)])
    func runs(name: String, arguments: [String], text: String) throws {
        let scratch = try Scratch()
        let path = URL(fileURLWithPath: Command.path).deletingLastPathComponent().appendingPathComponent(name).path
        let outcome = try Command.run(shell: "cd \"$0\"; program=$1; shift; exec \"$program\" \"$@\"", [scratch.path, path] + arguments)
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.output.contains(text), "\(outcome.output)")
    }

    @Test(
        "an example is one page", arguments: ["QLoRA", "FullFineTuning", "MergeAdapter", "CustomLoop", "OptimizerAblation", "DebertaClassification"])
    func length(name: String) throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../Examples/\(name)/main.swift")
        #expect(try String(contentsOf: file, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false).count < 150)
    }
}
