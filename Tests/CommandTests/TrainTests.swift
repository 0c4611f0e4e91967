import Foundation
import Testing

/// `bnb train`, on a recorded model of two layers.
@Suite struct TrainTests {
    private let model: TinyModel
    private let scratch: Scratch

    init() throws {
        (model, scratch) = (try TinyModel(), try Scratch())
        let lines = (0..<12).map { "{\"prompt\": \"Question \($0)?\", \"completion\": \" answer \($0 % 3)\"}" }
        try scratch.write(lines.joined(separator: "\n"), as: "data.jsonl")
        try scratch.write(lines[..<4].joined(separator: "\n"), as: "eval.jsonl")
    }

    private var run: String { "\(scratch.path)/run" }
    private var base: [String] {
        ["train", "--model", model.path, "--data", "\(scratch.path)/data.jsonl", "--output", run, "--batch-size", "2", "--lora-rank", "2"]
    }

    private func files(_ folder: String) throws -> [String: Data] {
        var files: [String: Data] = [:]
        for name in FileManager.default.enumerator(atPath: folder)?.compactMap({ $0 as? String }) ?? [] where !name.contains("tfevents") {
            files[name] = FileManager.default.contents(atPath: "\(folder)/\(name)")
        }
        return files
    }

    @Test("a run leaves its adapter, options, log and picture, and tells what came of it in one object")
    func whole() throws {
        let outcome = try Command.run(
            base + [
                "--eval-data", "\(scratch.path)/eval.jsonl", "--steps", "6", "--save-every", "2", "--keep", "2", "--eval-every", "3",
                "--per_device_eval_batch_size", "3", "--json",
            ])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let json = try outcome.json
        #expect(json["steps"] as? Int == 6 && (json["train_loss"] as? Double ?? 0) > 1 && (json["eval_nll"] as? Double ?? 0) > 1)
        #expect((json["tokens"] as? Int ?? 0) > 50 && (json["tokens_per_second"] as? Double ?? 0) > 0 && json["peak_memory_bytes"] is Int)
        let names = try FileManager.default.contentsOfDirectory(atPath: run).sorted()
        let expected = ["adapter_config.json", "adapter_model.safetensors", "checkpoint-4", "checkpoint-6", "log.jsonl", "loss.svg", "run.json"]
        #expect(names.filter { !$0.contains("tfevents") } == expected && names.count == 8)
        let log = try String(contentsOfFile: "\(run)/log.jsonl", encoding: .utf8).split(separator: "\n")
        #expect(log.count == 8 && log.count { $0.contains("eval_nll") } == 2)
        let text = try Command.run("generate", "--model", model.path, "--adapter", run, "--prompt", "Question", "-n", "3", "--greedy")
        #expect(text.status == 0, "\(text.errors)")
    }

    @Test("options from a file count less than those of the command line; both may be Hugging Face's; what was used goes for a file")
    func configuration() throws {
        try scratch.write(
            "{\"max_steps\": 9, \"learning_rate\": 0.01, \"optim\": \"lion_8bit\", \"gradient_checkpointing\": true, \"warmup_steps\": 0}",
            as: "c.json")
        let outcome = try Command.run(base + ["--config", "\(scratch.path)/c.json", "--max_steps=3", "--json"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(try outcome.json["steps"] as? Int == 3)
        let used = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: "\(run)/run.json"))) as? [String: Any] ?? [:]
        #expect(used["optimizer"] as? String == "lion_8bit" && used["learning_rate"] as? Double == 0.01 && used["recompute"] as? Bool == true)
        let other = "\(scratch.path)/other"
        let again = try Command.run(["train", "--config", "\(run)/run.json", "--output", other])
        #expect(again.status == 0, "\(again.errors)")
        #expect(try files(other)["adapter_model.safetensors"] == files(run)["adapter_model.safetensors"])
    }

    @Test("an interrupted run saves, says how to go on, and leaves the bytes of one that was not", arguments: [SIGINT, SIGTERM])
    func interrupted(signal: Int32) throws {
        let options = ["--steps", "60", "--eval-data", "\(scratch.path)/eval.jsonl", "--lora-dropout", "0.1"]
        let whole = try Command.run(base + options)
        #expect(whole.status == 0, "\(whole.errors)")
        let expected = try files(run)
        try FileManager.default.removeItem(atPath: run)
        let outcome = try Command.run(
            base + options, when: { _ in FileManager.default.contents(atPath: "\(run)/log.jsonl")?.count ?? 0 > 200 },
            { kill($0.processIdentifier, signal) })
        #expect(outcome.status == 128 + signal, "\(outcome.errors)")
        #expect(outcome.errors.contains("bnb: interrupted after step") && outcome.errors.contains("--resume"), "\(outcome.errors)")
        #expect(try files(run)["adapter_model.safetensors"] == nil)
        let rest = try Command.run("train", "--output", run, "--resume")
        #expect(rest.status == 0 && rest.errors.contains("going on after step"), "\(rest.errors)")
        let found = try files(run)
        for (name, bytes) in expected { #expect(found[name] == bytes, "\(name)") }
    }

    @Test("a run that is killed, wherever it is, goes on to the same bytes", arguments: [0, 1, 2, 3])
    func killed(attempt: Int) throws {
        let options = ["--steps", "12", "--save-every", "1", "--keep", "2"]
        #expect(try Command.run(base + options).status == 0)
        let expected = try files(run)
        try FileManager.default.removeItem(atPath: run)
        for _ in 0..<3 {
            var reached = Date.distantFuture
            _ = try Command.run(
                base + options + ["--resume"],
                when: { _ in
                    if FileManager.default.fileExists(atPath: "\(run)/run.json"), reached == .distantFuture {
                        reached = Date(timeIntervalSinceNow: Double.random(in: 0..<0.3))
                    }
                    return Date() > reached
                }, { kill($0.processIdentifier, SIGKILL) })
        }
        let rest = try Command.run(base + options + ["--resume"])
        #expect(rest.status == 0, "\(rest.errors)")
        let found = try files(run)
        #expect(found.keys.sorted() == expected.keys.sorted())
        for (name, bytes) in expected { #expect(found[name] == bytes, "\(name)") }
    }

    @Test("the model itself is trained and saved as a model, in the types that it had")
    func full() throws {
        let outcome = try Command.run(
            base + ["--full", "--train-only", "model.layers.1", "--steps", "3", "--warmup-steps", "0", "--learning-rate", "0.01"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.output.contains("the model is in \(run)"))
        let evaluation = try Command.run("evaluate", "--model", run, "--windows", "1", "--window", "8", "--json")
        #expect(evaluation.status == 0, "\(evaluation.errors)")
        let (before, after) = (try files(model.path)["model.safetensors"], try files(run)["model.safetensors"])
        #expect(before != nil && before?.count == after?.count && before != after)
    }

    @Test(
        "adapters of every kind are trained on a model in 4 bits, and gone on with",
        arguments: [["--use-dora"], ["--lora-start", "pissa"], ["--init_lora_weights", "pissa_niter_4"], ["--lora-start", "loftq"]])
    func kinds(options: [String]) throws {
        let arguments = base + ["--load-in", "nf4", "--steps", "4", "--save-every", "2"] + options
        let outcome = try Command.run(arguments)
        #expect(outcome.status == 0, "\(outcome.errors)")
        let expected = try files(run)
        for name in ["checkpoint-4", "adapter_model.safetensors", "adapter_config.json"] {
            try FileManager.default.removeItem(atPath: "\(run)/\(name)")
        }
        let rest = try Command.run("train", "--output", run, "--resume")
        #expect(rest.status == 0 && rest.errors.contains("going on after step 2"), "\(rest.errors)")
        let found = try files(run)
        for (name, bytes) in expected { #expect(found[name] == bytes, "\(name)") }
    }

    @Test("an adapter that has changed its base stands beside it, goes on with it, and is used on it")
    func ownBase() throws {
        let arguments =
            base + [
                "--load-in", "nf4", "--steps", "4", "--save-every", "2", "--lora-start", "loftq", "--loftq-iter", "3", "--eval-data",
                "\(scratch.path)/eval.jsonl", "--json",
            ]
        let outcome = try Command.run(arguments)
        #expect(outcome.status == 0, "\(outcome.errors)")
        let expected = try files(run)
        #expect(
            String(decoding: try #require(expected["adapter_config.json"]), as: UTF8.self).contains("\"base_model_name_or_path\": \"\(run)/base\""))
        try FileManager.default.removeItem(atPath: "\(run)/checkpoint-4")
        let rest = try Command.run("train", "--output", run, "--resume")
        #expect(rest.status == 0 && rest.errors.contains("going on after step 2"), "\(rest.errors)")
        let found = try files(run)
        for (name, bytes) in expected { #expect(found[name] == bytes, "\(name)") }
        // Going on with a rate of nothing tells the loss of what was left.
        let again = try Command.run([
            "train", "--model", "\(run)/base", "--adapter", run, "--data", "\(scratch.path)/data.jsonl", "--eval-data", "\(scratch.path)/eval.jsonl",
            "--output",
            "\(scratch.path)/again", "--learning-rate", "0", "--steps", "1", "--json",
        ])
        #expect(again.status == 0, "\(again.errors)")
        let losses = try [outcome, again].map { try #require(try $0.json["eval_nll"] as? Double) }
        #expect(abs(losses[0] - losses[1]) < 1e-4, "\(losses)")
    }

    @Test("a run goes on from an adapter as it is, and may fill up its batches and warm up over a share of its steps")
    func adapter() throws {
        #expect(try Command.run(base + ["--steps", "3", "--lora-dropout", "0.1"]).status == 0)
        let other = "\(scratch.path)/other"
        let outcome = try Command.run([
            "train", "--model", model.path, "--data", "\(scratch.path)/data.jsonl", "--output", other, "--adapter", run, "--padding", "--steps", "4",
            "--warmup_ratio", "0.4", "--learning-rate", "0",
        ])
        #expect(outcome.status == 0 && !outcome.errors.contains("another model"), "\(outcome.errors)")
        for name in ["adapter_model.safetensors", "adapter_config.json"] { #expect(try files(other)[name] == files(run)[name], "\(name)") }
        let used = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: "\(other)/run.json"))) as? [String: Any] ?? [:]
        #expect(used["adapter"] as? String == run && used["padding"] as? Bool == true && used["warmup_steps"] as? Double == 0.4)
        #expect(used["lora_rank"] == nil)
    }

    @Test("a run that is over tells the same when it is gone on with")
    func over() throws {
        let first = try Command.run(base + ["--steps", "2", "--eval-data", "\(scratch.path)/eval.jsonl", "--json"])
        let again = try Command.run("train", "--output", run, "--resume", "--json")
        #expect(again.status == 0 && again.errors.contains("going on after step 2"), "\(again.errors)")
        for key in ["eval_nll", "train_loss", "steps"] { #expect(try again.json[key] as? Double == first.json[key] as? Double, "\(key)") }
        #expect(try again.json["eval_nll"] is Double)
        #expect(try again.json["tokens_per_second"] is NSNull, "without a step there is no pace")
    }

    /// Whether Python can be asked what TensorBoard reads.
    private static let hasTensorBoard = (try? Command.run(shell: "python3 -c 'import tensorboard'", ["sh"]).status) == 0

    @Test("TensorBoard's own reader finds every step and evaluation", .enabled(if: hasTensorBoard, "python3 has no tensorboard"))
    func tensorBoard() throws {
        #expect(try Command.run(base + ["--steps", "5", "--eval-data", "\(scratch.path)/eval.jsonl", "--eval-every", "2"]).status == 0)
        let script = """
            import json, sys
            from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
            events = EventAccumulator(sys.argv[1])
            events.Reload()
            print(json.dumps({tag: [[event.step, event.value] for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}))
            """
        let outcome = try Command.run(shell: "exec python3 -c \"$1\" \"$2\"", ["sh", script, run])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let found = try outcome.json.compactMapValues { $0 as? [[Double]] }
        let tags = found.keys.sorted()
        #expect(tags.filter { !$0.hasPrefix("memory/") } == ["eval/nll", "train/grad_norm", "train/learning_rate", "train/loss"])
        let memory = found.filter { $0.key.hasPrefix("memory/") && $0.key != "memory/total" }.reduce(0) { $0 + ($1.value.last?.last ?? 0) }
        #expect(memory > 0 && abs(memory - (found["memory/total"]?.last?.last ?? 0)) < 1e-3 * memory)
        let log = try String(contentsOfFile: "\(run)/log.jsonl", encoding: .utf8).split(separator: "\n").map {
            try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] ?? [:]
        }
        for (tag, key) in [("train/loss", "loss"), ("eval/nll", "eval_nll"), ("train/learning_rate", "learning_rate")] {
            let expected = log.compactMap { line in (line[key] as? Double).map { [line["step"] as? Double ?? 0, Double(Float($0))] } }
            #expect(found[tag] == expected && !expected.isEmpty, "\(tag)")
        }
    }

    @Test("examples can be looked at as they are learned, without a run")
    func tokens() throws {
        let outcome = try Command.run(base + ["--show-tokens"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.output.contains("data.jsonl, line 2: ") && outcome.output.contains("  learned  "))
        #expect(!FileManager.default.fileExists(atPath: run))
    }

    @Test(
        "what cannot be is refused with one line and its exit code, and leaves nothing",
        arguments: [
            (["--data", "SCRATCH/none.jsonl"], 74, "none.jsonl"), (["--data", "SCRATCH/bad.jsonl"], 65, "bad.jsonl, line 2: has the keys 'a'"),
            (["--target-modules", "nothing"], 64, "is called nothing"), (["--optimizer", "adam"], 64, "'adam' is no optimizer"),
            (["--learning-rate=-1"], 64, "lr is -1"), (["--patience", "2"], 64, "need --eval-data"), (["--sample", "a"], 64, "need --eval-data"),
            (["--epochs", "1", "--steps", "2"], 64, "give one"), (["--warmup-steps", "1.5"], 64, "'1.5'"),
            (["--packing", "--padding"], 64, "give it or"), (["--eval-batch-size", "0"], 64, "--eval-batch-size 0 is not at least 1"),
            (["--max-length", "100000"], 64, "--max-length 100000 is beyond the model's context of 128"),
            (["--loftq-iter", "2"], 64, "--loftq-iter needs --lora-start loftq"),
            (["--adapter", "SCRATCH/none"], 74, "none"), (["--adapter", "SCRATCH", "--full"], 64, "give one"),
            (["--batch-size", "0"], 64, "--batch-size 0 is not at least 1"),
            (["--batch-size", "9223372036854775807", "--packing"], 64, "is beyond the 1048576 that are taken"),
            (["--lora-rank", "9223372036854775807"], 64, "is not from 1 to 1048576"),
            (["--config", "SCRATCH/none.json"], 74, "none.json"), (["--train-only", "x"], 64, "--train-only needs --full"),
            (["--full", "--train-only", "x"], 64, "no weight that could be trained"),
            (["--learning-rate", "1e30", "--steps", "40", "--warmup-steps", "0", "--max-grad-norm", "0"], 65, "try a lower learning rate"),
        ] as [([String], Int32, String)])
    func refused(options: [String], status: Int32, text: String) throws {
        try scratch.write("{\"text\": \"a b c\"}\n{\"a\": 1}\n", as: "bad.jsonl")
        let given = options.map { $0.replacingOccurrences(of: "SCRATCH", with: scratch.path) }
        let arguments = given[0] == "--data" ? ["train", "--model", model.path, "--output", run] : base
        let outcome = try Command.run(arguments + given)
        #expect(outcome.status == status, "\(outcome.errors)")
        #expect(outcome.errors.contains(text), "\(outcome.errors)")
        #expect(outcome.errors.split(separator: "\n").last?.hasPrefix("bnb: ") == true)
        if status != 65 || text.contains("bad.jsonl") { #expect(!FileManager.default.fileExists(atPath: run)) }
    }

    @Test("a folder with something in it is no place for a new run, and a run is not gone on with by others")
    func occupied() throws {
        #expect(try Command.run(base + ["--steps", "2"]).status == 0)
        let again = try Command.run(base + ["--steps", "2"])
        #expect(again.status == 74 && again.errors.contains("add --resume"), "\(again.errors)")
        let other = try Command.run(base + ["--steps", "2", "--resume", "--learning-rate", "0.5"])
        #expect(other.status == 65 && other.errors.contains("is of another run") && other.errors.contains("rule: "), "\(other.errors)")
    }
}
