import Foundation
import Testing

/// `bnb estimate`, beside what the other verbs then take.
@Suite struct EstimateTests {
    private func estimates(_ json: [String: Any]) throws -> [[String: Any]] { try #require(json["estimates"] as? [[String: Any]]) }

    private func total(_ use: Any?) throws -> Int { try #require((use as? [String: Any])?["total"] as? Int) }

    @Test(
        "what is told beforehand is what the command then holds",
        arguments: [["--lora-rank", "4"], ["--lora-rank", "4", "--recompute"], ["--full"], ["--lora-rank", "4", "--load-in", "nf4-dq"]],
        TinyModel.Form.allCases)
    func predicted(options: [String], form: TinyModel.Form) throws {
        // What is quantized in the file has nothing that could be trained whole.
        if form != .plain && options != ["--lora-rank", "4"] { return }
        let (model, scratch) = (try TinyModel(form), try Scratch())
        try scratch.write((0..<8).map { "{\"text\": \"\(String(repeating: "word \($0) ", count: 30))\"}" }.joined(separator: "\n"), as: "data.jsonl")
        let shared = ["--model", model.path, "--batch-size", "2", "--accumulate", "2", "--max-length", "20", "--device", "cpu", "--json"]
        let run = try Command.run(
            ["train", "--data", "\(scratch.path)/data.jsonl", "--output", "\(scratch.path)/run", "--steps", "3"] + shared + options)
        #expect(run.status == 0, "\(run.errors)")
        let outcome = try Command.run(["estimate"] + shared + options.filter { $0 != "--recompute" })
        #expect(outcome.status == 0, "\(outcome.errors)")
        let (held, told) = (try total(run.json["memory"]), try estimates(outcome.json)[options.contains("--recompute") ? 2 : 1])
        let expected = try total(told["peak"])
        #expect(abs(held - expected) <= held * 3 / 100, "\(run.output) held, \(told) told")
    }

    @Test("a text of the built-in model takes what is told beforehand")
    func generation() throws {
        let run = try Command.run("generate", "--prompt", "Question: What is a tide?", "-n", "1", "--device", "cpu", "--json")
        let tokens = try #require(run.json["prompt_tokens"] as? Int) + 2
        let outcome = try Command.run("estimate", "--context", "\(tokens)", "--device", "cpu", "--json")
        let (held, told) = (try total(run.json["memory"]), try total(estimates(outcome.json)[0]["peak"]))
        #expect(abs(held - told) <= held * 3 / 100, "\(held) held, \(told) told")
    }

    @Test("a published model is told from its shape, with what fits on a GPU that is not there")
    func shape() throws {
        let outcome = try Command.run(
            "estimate", "--shape", "Llama-3.2-1B", "--load-in", "nf4-dq", "--activations", "bfloat16", "--device", "cuda:7", "--device-memory", "8GB",
            "--batch-size", "1", "--max-length", "256", "--context", "256", "--json")
        #expect(outcome.status == 0, "\(outcome.errors)")
        let json = try outcome.json
        #expect(json["weights"] as? Int == 1_235_814_400 && json["device_bytes"] as? Int == 7_400_000_000)
        let all = try estimates(json)
        let weights = try #require((all[0]["peak"] as? [String: Any])?["weights"] as? Int)
        // The codes and what is left in bfloat16, each matrix rounded up to pages of 2 MB.
        #expect(weights >= 1_012_011_008 && weights < 1_100_000_000)
        #expect(all.map { $0["fits"] as? Bool } == [true, true, true, true])
        let gpus = try #require(json["gpus"] as? [[String: Any]])
        #expect(gpus.count == 9 && gpus.allSatisfy { $0["generates"] as? Bool == true })
        let (qlora, full) = (gpus.map { $0["qlora_batch"] as? Int ?? 0 }, gpus.map { $0["full_batch"] as? Int ?? 0 })
        #expect(qlora[0] > 8 && qlora == qlora.sorted() && full == full.sorted() && zip(qlora, full).allSatisfy { $0 >= $1 })
    }

    @Test("people are told what fits, what is left, and the most that would")
    func text() throws {
        let outcome = try Command.run("estimate", "--device", "cpu", "--device-memory", "1GB", "--batch-size", "4", "--max-length", "64")
        #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
        #expect(outcome.output.contains(/train fits in 1.0 GB: yes, 4 x 64, \d+.\d MB left; at most \d+ x 64, or 4 x \d+/))
        for line in ["weights  ", "activations  ", "total  ", "T4  ", "H200  "] { #expect(outcome.output.contains("\n\(line)"), "\(line)") }
    }

    @Test(
        "what cannot be is refused with a reason",
        arguments: [
            (["--shape", "llama-3.1-8c"], "did you mean 'llama-3.1-8b'?"), (["--shape", "gpt2-xl", "--model", "x"], "give one"),
            (["--max-length", "100000"], "beyond the model's context"), (["--batch-size", "0"], "--batch-size 0"),
            (["--batch-size", "100000000"], "beyond the"), (["--optimizer", "adamz"], "adamz"), (["--device-memory", "much"], "much"),
            (["--target-modules", "nothing"], "nothing"), (["--device", "abacus"], "abacus"), (["--lora-rank", "0"], "rank"),
            (["--skip", "lm_haed", "--load-in", "nf4"], "lm_haed"),
        ])
    func refused(options: [String], reason: String) throws {
        let outcome = try Command.run(["estimate"] + options)
        #expect(outcome.status == 64 && outcome.output.isEmpty, "\(outcome.status)")
        #expect(outcome.errors.contains(reason), "\(outcome.errors)")
    }
}
