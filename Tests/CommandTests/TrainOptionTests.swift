import Foundation
import Testing

/// Options of `bnb train`, by what they change.
@Suite struct TrainOptionTests {
    private let fixture: TrainFixture

    init() throws { fixture = try TrainFixture() }

    @Test("an expression, blocks, patterns, biases and what is left out or saved whole are the adapter's settings")
    func adapter() throws {
        let run = try fixture.train([
            "--steps", "2", "--target-modules", #".*\.(q|up)_proj"#, "--exclude-modules", "layers.1.mlp.up_proj", "--use-rslora", "--modules-to-save",
            "lm_head", "--rank-pattern", "q_proj=2", "--rank-pattern", "up_proj=3", "--alpha-pattern", "up_proj=1.5", "--bias", "all", "--lora-bias",
        ])
        #expect(run.outcome.status == 0, "\(run.outcome.errors)")
        let adapter = try run.adapter
        #expect(adapter["target_modules"] as? String == #".*\.(q|up)_proj"# && adapter["use_rslora"] as? Bool == true)
        #expect(adapter["exclude_modules"] as? [String] == ["layers.1.mlp.up_proj"] && adapter["modules_to_save"] as? [String] == ["lm_head"])
        #expect(adapter["rank_pattern"] as? [String: Int] == ["q_proj": 2, "up_proj": 3] && adapter["bias"] as? String == "all")
        #expect(adapter["alpha_pattern"] as? [String: Double] == ["up_proj": 1.5] && adapter["lora_bias"] as? Bool == true)
        let weights = try String(decoding: run.file("adapter_model.safetensors"), as: UTF8.self)
        for name in ["layers.0.mlp.up_proj.lora_A.weight", "layers.1.self_attn.q_proj.lora_B.bias", "lm_head.weight"] {
            #expect(weights.contains(name), "\(name)")
        }
        #expect(!weights.contains("layers.1.mlp.up_proj") && !weights.contains("down_proj"))
        let again = try fixture.train([], config: String(decoding: run.file("run.json"), as: UTF8.self), as: "again")
        #expect(try again.file("adapter_model.safetensors") == run.file("adapter_model.safetensors"), "\(again.outcome.errors)")
    }

    @Test("blocks are chosen by their numbers, as PEFT's file has them")
    func blocks() throws {
        let file =
            "{\"target_modules\": [\"q_proj\"], \"layers_to_transform\": [1], \"layers_pattern\": \"layers\", \"rank_pattern\": {\"q_proj\": 5}}"
        let run = try fixture.train(["--steps", "1"], config: file)
        #expect(run.outcome.status == 0, "\(run.outcome.errors)")
        #expect(try run.adapter["layers_to_transform"] as? [Int] == [1] && run.settings["rank_pattern"] == ["q_proj=5"])
        #expect(try !String(decoding: run.file("adapter_model.safetensors"), as: UTF8.self).contains("layers.0"))
    }

    @Test(
        "a name that matches nothing is refused beside others that do, with what may have been meant",
        arguments: [
            (["--target-modules", "q_proj,v_prj"], "'v_prj' of target_modules matches nothing in the model; did you mean 'v_proj'?"),
            (["--exclude-modules", "k_prj"], "'k_prj' of exclude_modules matches nothing"),
            (["--modules-to-save", "lm_head,score"], "'score' of modules_to_save matches nothing"),
            (
                ["--target-modules", "q_proj", "--layers-to-transform", "1,7"],
                "'7' of layers_to_transform matches nothing in the model; did you mean '0'? there are: 0, 1"
            ),
            (["--rank-pattern", "qproj=4"], "'qproj' of rank_pattern matches nothing"),
            (["--target-modules", ".*q_proj", "--target-modules", "v_proj"], "--target-modules takes names, or one expression alone"),
            (["--target-modules", "q_proj", "--layers-to-transform", "one"], "--layers-to-transform 'one' is no number from 0"),
            (["--rank-pattern", "q_proj"], "'q_proj' is invalid for '--rank-pattern <pattern>'"),
            (["--lora-rank", "-3"], "LoRA rank -3 is not from 1 to"),
            (["--bias", "some"], "'some' is invalid for '--bias <bias>'"),
        ])
    func unmatched(options: [String], text: String) throws {
        let run = try fixture.train(options + ["--steps", "1"])
        #expect(run.outcome.status == 64 && run.outcome.errors.contains(text), "\(run.outcome.errors)")
        #expect(!FileManager.default.fileExists(atPath: run.folder))
    }

    @Test("what is learned of an example, and which end is left of a long one, can be seen")
    func examples() throws {
        func shown(_ options: [String]) throws -> String { try fixture.train(options + ["--show-tokens", "--max-length", "6"]).outcome.output }
        let (start, end) = (try shown(["--loss-on", "everything"]), try shown(["--truncation", "keep-end", "--loss-on", "everything"]))
        #expect(start != end && start.contains("6 tokens, 5 learned") && end.contains("6 tokens, 5 learned"), "\(start) \(end)")
        #expect(try !shown([]).contains("5 learned"))
    }

    @Test("examples are taken in the order of their files, by another one for each seed, or beside others of their length")
    func order() throws {
        func loss(_ options: [String], _ seed: String) throws -> Double {
            let run = try fixture.train(options + ["--steps", "1", "--seed", seed], as: "run\(options.count)\(options.first ?? "")\(seed)")
            return try #require(try run.log("loss").first, "\(run.outcome.errors)")
        }
        #expect(try loss(["--no-shuffle"], "1") == loss(["--no-shuffle"], "2"))
        let shuffled = try loss([], "1")
        #expect(try shuffled != loss([], "2") && shuffled != loss(["--group-by-length"], "1"))
    }

    @Test("the optimizer's settings are the same under both names, and change what is learned, as weight decay does")
    func optimizer() throws {
        func adapter(_ options: [String], _ name: String) throws -> Data {
            let run = try fixture.train(options + ["--steps", "3", "--warmup-steps", "0", "--learning-rate", "0.01"], as: name)
            #expect(run.outcome.status == 0, "\(run.outcome.errors)")
            return try run.file("adapter_model.safetensors")
        }
        let plain = try adapter([], "plain")
        let changed = try adapter(["--optim-args", "beta1=0.5,beta2=0.75"], "arguments")
        #expect(try changed == adapter(["--adam_beta1", "0.5", "--adam_beta2=0.75"], "names") && changed != plain)
        #expect(try adapter(["--weight-decay", "0.5"], "decay") != plain)
    }

    @Test("a run tells as often as it is asked to, continues prompts, and follows the schedule")
    func telling() throws {
        let run = try fixture.train([
            "--steps", "4", "--schedule", "constant", "--warmup-steps", "0", "--learning-rate", "0.001", "--log-every", "2", "--sample", "Question",
            "--eval-data", "\(fixture.scratch.path)/eval.jsonl", "--eval-every", "2",
        ])
        #expect(run.outcome.status == 0, "\(run.outcome.errors)")
        let lines = run.outcome.errors.split(separator: "\n")
        #expect(lines.filter { $0.contains("/4  epoch") }.map { $0.prefix(8) } == ["step 1/4", "step 2/4", "step 4/4"])
        #expect(lines.count { $0.hasPrefix("  Question -> ") } == 2)
        #expect(try run.log("learning_rate") == [0.001, 0.001, 0.001, 0.001])
    }

    @Test("with the best checkpoint kept a run ends with its weights")
    func best() throws {
        let run = try fixture.train([
            "--steps", "3", "--learning-rate", "30", "--warmup-steps", "0", "--schedule", "constant", "--eval-data",
            "\(fixture.scratch.path)/eval.jsonl", "--eval-every", "1", "--keep", "1", "--keep-best", "--json",
        ])
        #expect(run.outcome.status == 0, "\(run.outcome.errors)")
        let losses = try run.log("eval_nll").prefix(3)
        let best = try #require(losses.min())
        let step = try #require(losses.firstIndex(of: best)) + 1
        #expect(step < 3)
        #expect(try run.file("adapter_model.safetensors") == run.file("checkpoint-\(step)/adapter_model.safetensors"))
        #expect(try run.outcome.json["eval_nll"] as? Double == best)
    }

    @Test("a folder that cannot be made is told before anything is loaded")
    func unwritable() throws {
        let outcome = try Command.run(
            "train", "--model", fixture.model.path, "--data", "\(fixture.scratch.path)/data.jsonl", "--output",
            "\(fixture.scratch.path)/data.jsonl/run")
        #expect(outcome.status == 74 && outcome.errors.contains("data.jsonl/run"), "\(outcome.errors)")
    }

    @Test(
        "a file of examples that is no list of lines is told what it is, and a broken line where it breaks",
        arguments: [
            ("[\n{\"text\": \"a\"},\n{\"text\": \"b\"}\n]\n", "line 1: begins a JSON list; one object a line was expected"),
            ("[{\"text\": \"a\"}]", "line 1: begins a JSON list"),
            ("{\"text\": \"a\"}\n{\"text\": \"b\n", "line 2: ends inside a string; it may be cut short, at column 12"),
        ])
    func lines(text: String, reason: String) throws {
        try fixture.scratch.write(text, as: "data.jsonl")
        let run = try fixture.train(["--steps", "1"])
        #expect(run.outcome.status == 65 && run.outcome.errors.contains("data.jsonl, \(reason)"), "\(run.outcome.errors)")
    }
}
