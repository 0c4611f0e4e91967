import Foundation
import Testing

private let root: URL = (0..<3).reduce(URL(fileURLWithPath: #filePath)) { path, _ in path.deletingLastPathComponent() }

/// Options of `bnb train` in a file and under Hugging Face's names: what of them is meant.
@Suite struct RunFileTests {
    private let fixture: TrainFixture

    init() throws { fixture = try TrainFixture() }

    @Test(
        "a switch of theirs is on or off, and takes back what a file says",
        arguments: [
            ("{\"load_in\": \"nf4\", \"double_quantization\": true}", ["--load_in_4bit=False"], ["load_in": nil, "double_quantization": nil]),
            ("{\"load_in_8bit\": true}", ["--load_in_4bit=False"], ["load_in": "int8"]), ("{}", ["--load_in_4bit=True"], ["load_in": "nf4"]),
            ("{\"recompute\": true}", ["--gradient_checkpointing=False"], ["recompute": nil]),
            ("{\"gradient_checkpointing\": false}", ["--gradient_checkpointing=True"], ["recompute": true]),
            ("{\"packing\": true, \"use_dora\": true}", ["--packing", "False"], ["packing": nil, "use_dora": true]),
            (
                "{\"load_in_4bit\": false, \"load_in_8bit\": false, \"bnb_4bit_quant_type\": \"nf4\", \"llm_int8_threshold\": 6.0}", [],
                ["load_in": nil]
            ),
            (
                "{\"load_in_4bit\": true, \"bnb_4bit_quant_type\": \"fp4\", \"bnb_4bit_use_double_quant\": true, \"llm_int8_threshold\": 6.0}", [],
                ["load_in": "fp4", "double_quantization": true]
            ),
            ("{\"bf16\": true}", ["--activations", "float32"], ["compute": "bfloat16", "activations": "float32"]),
        ] as [(String, [String], [String: Setting?])])
    func switches(file: String, options: [String], expected: [String: Setting?]) throws {
        let run = try fixture.train(options + ["--steps", "1"], config: file)
        #expect(run.outcome.status == 0, "\(run.outcome.errors)")
        for (key, value) in expected { #expect(try run.settings[key] == value, "\(key)") }
    }

    @Test("a switch that is off takes back what the run says that is gone on with, also one that is on by True")
    func resumed() throws {
        #expect(try fixture.train(["--steps", "1", "--recompute"]).outcome.status == 0)
        let arguments = ["train", "--output_dir=\(fixture.scratch.path)/run"]
        let again = try Command.run(arguments + ["--resume_from_checkpoint=True", "--gradient_checkpointing=False"])
        #expect(again.status == 0 && again.errors.contains("going on after step 1"), "\(again.errors)")
        let run = TrainFixture.Run(outcome: again, folder: "\(fixture.scratch.path)/run")
        #expect(try run.settings["recompute"] == nil && run.settings["steps"] == 1.0)
    }

    @Test(
        "training arguments mean what they mean there",
        arguments: [
            ("{\"max_steps\": -1, \"num_train_epochs\": 0.2}", [], ["epochs": 0.2, "steps": nil]),
            ("{\"max_steps\": 1, \"num_train_epochs\": 3}", [], ["epochs": nil, "steps": 1.0]),
            ("{\"epochs\": 3}", ["--steps", "1"], ["epochs": nil, "steps": 1.0]),
            ("{\"max_steps\": 50}", ["--max_steps", "-1", "--num_train_epochs=0.2"], ["epochs": 0.2, "steps": nil]),
            ("{\"max_steps\": 1, \"warmup_ratio\": 1.0, \"warmup_steps\": 0}", [], ["warmup_steps": "100%"]),
            ("{\"max_steps\": 1, \"warmup_ratio\": 0.5, \"warmup_steps\": 0}", [], ["warmup_steps": 0.5]),
            ("{\"max_steps\": 1, \"warmup_ratio\": 0.5, \"warmup_steps\": 3}", [], ["warmup_steps": 3.0]),
            (
                "{\"max_steps\": 1, \"eval_strategy\": \"no\", \"eval_steps\": 500, \"save_strategy\": \"steps\", \"save_steps\": 7}", [],
                ["eval_every": nil, "save_every": 7.0]
            ),
            (
                "{\"max_steps\": 1, \"adam_beta1\": 0.5, \"adam_beta2\": 0.75, \"adam_epsilon\": 0.5}", [],
                ["adam_beta1": 0.5, "adam_beta2": 0.75, "adam_epsilon": 0.5]
            ),
            (
                "{\"max_steps\": 1, \"r\": 4, \"lora_alpha\": 6, \"bias\": \"lora_only\", \"lora_bias\": false, \"init_lora_weights\": true}", [],
                ["lora_rank": 4.0, "lora_alpha": 6.0, "bias": "lora_only", "lora_bias": nil, "lora_start": "kaiming"]
            ),
            (
                "{\"max_steps\": 1, \"completion_only_loss\": false, \"truncation_mode\": \"keep_end\", \"seed\": null}", [],
                ["loss_on": "everything", "truncation": "keep-end", "seed": "0"]
            ),
        ] as [(String, [String], [String: Setting?])])
    func arguments(file: String, options: [String], expected: [String: Setting?]) throws {
        let run = try fixture.train(options, config: file)
        #expect(run.outcome.status == 0 && !run.outcome.errors.contains("passed over"), "\(run.outcome.errors)")
        for (key, value) in expected { #expect(try run.settings[key] == value, "\(key)") }
    }

    @Test(
        "a list has all of its names, wherever it stands, and is written as it is read",
        arguments: [
            ("{\"target_modules\": [\"q_proj\", \"v_proj\"]}", []), ("{\"lora_target_modules\": \"q_proj, v_proj\"}", []),
            ("{\"target_modules\": [\"o_proj\"]}", ["--target-modules", "q_proj", "--lora_target_modules=v_proj"]),
            (
                "{\"target_modules\": [\"q_proj\", \"v_proj\", \"k_proj\", \"up_proj\"], \"exclude_modules\": [\"k_proj\", \"up_proj\"]}", []
            ),
            ("{\"target_modules\": [\"q_proj\", \"v_proj\", \"k_proj\", \"up_proj\"], \"modules_to_save\": [\"k_proj\", \"up_proj\"]}", []),
        ])
    func lists(file: String, options: [String]) throws {
        let run = try fixture.train(options + ["--steps", "1"], config: file)
        #expect(run.outcome.status == 0, "\(run.outcome.errors)")
        let plain = try fixture.train(["--steps", "1", "--target-modules", "q_proj,v_proj"], as: "plain")
        if !file.contains("to_save") { #expect(try run.file("adapter_model.safetensors") == plain.file("adapter_model.safetensors")) }
        #expect(try String(decoding: run.file("adapter_model.safetensors"), as: UTF8.self).contains("k_proj") == file.contains("to_save"))
        let again = try fixture.train([], config: String(decoding: run.file("run.json"), as: UTF8.self), as: "again")
        #expect(try again.file("adapter_config.json") == run.file("adapter_config.json"), "\(again.outcome.errors)")
    }

    @Test("what says nothing is passed over in one line that names it, and what asks for nothing without one")
    func passedOver() throws {
        let file = """
            {"report_to": ["tensorboard", "wandb"], "run_name": "x", "do_train": true, "do_eval": false, "lr_scheduler_kwargs": {}, "fp16": false, \
            "gradient_checkpointing_kwargs": {"use_reentrant": false}, "deepspeed": null, "label_smoothing_factor": 0.0, "optim": "adamw_torch_fused"}
            """
        let run = try fixture.train(["--max_steps", "1", "--task_type", "CAUSAL_LM", "--hub_token", "none"], config: file)
        #expect(run.outcome.status == 0, "\(run.outcome.errors)")
        let lines = run.outcome.errors.split(separator: "\n").filter { $0.contains("passed over") }
        #expect(lines == ["bnb: what says nothing here is passed over: do_train, gradient_checkpointing_kwargs, report_to, run_name, task_type"])
    }

    @Test(
        "what is wrong in a file is told with the file, in one line, and leaves nothing",
        arguments: [
            ("{\"lerning_rate\": 1}", 65, "c.json: has 'lerning_rate', and train has no such option; did you mean 'learning_rate'?"),
            ("{\"config\": \"c.json\"}", 65, "c.json: has 'config'"), ("{\"fp16\": true}", 65, "c.json: --fp16 is not there: float16 asks for"),
            ("{\"save_strategy\": \"epoch\"}", 65, "c.json: --save-strategy epoch is not there; say after how many steps, by --save-every"),
            ("{\"deepspeed\": \"zero3.json\"}", 65, "one process on one device"), ("{\"lora_r\": [4, 8]}", 65, "has a list as 'lora_r'; one value"),
            ("{\"lora_r\": {\"a\": 1}}", 65, "has an object as 'lora_r'"), ("{\"lora_r\": \"many\"}", 64, "c.json: the value 'many' is invalid"),
            ("{\"skip\": [[1]]}", 65, "c.json: has a list with [1] as 'skip'"), ("{\"steps\": 0}", 64, "c.json: --steps 0 is not at least 1"),
            ("[1]", 65, "c.json: holds a list of 1; an object was expected"), ("{\"gradient_checkpointing\": 5}", 65, "on or off"),
        ] as [(String, Int32, String)])
    func refused(file: String, status: Int32, text: String) throws {
        let run = try fixture.train([], config: file, as: "c")
        #expect(run.outcome.status == status && run.outcome.errors.contains(text), "\(run.outcome.errors)")
        #expect(run.outcome.errors.split(separator: "\n").count == 1 && !FileManager.default.fileExists(atPath: run.folder))
    }

    @Test(
        "--config without a file is answered as any option without a value",
        arguments: [
            (["--config"], "missing value for '--config <file>'"), (["--config="], "--config is empty"), (["--config", ""], "--config is empty"),
        ])
    func missing(options: [String], text: String) throws {
        let run = try fixture.train(options)
        #expect(run.outcome.status == 64 && run.outcome.errors.contains(text), "\(run.outcome.errors)")
    }

    @Test("every name of theirs that is known is in the document")
    func documented() throws {
        let sources = try ["HuggingFaceNames", "TrainingNames"].map {
            try String(contentsOf: root.appendingPathComponent("Sources/bnb/\($0).swift"), encoding: .utf8)
        }
        // Keys of tables, and the list of what is passed over.
        let keys = sources.flatMap { $0.matches(of: /(?m)^        "--([a-z0-9-]+)":/) }.map { String($0.1) }
        let list = try #require(sources[1].firstMatch(of: /passedOver: Set = \[([^\]]+)\]/)).1.matches(of: /"--([a-z0-9-]+)"/).map { String($0.1) }
        let known = Set((keys + list).map { $0.replacingOccurrences(of: "-", with: "_") })
        let document = try String(contentsOf: root.appendingPathComponent("Docs/coming-from-bitsandbytes.md"), encoding: .utf8)
        let section = try #require(document.components(separatedBy: "\n## The command\n").last?.components(separatedBy: "\n## ").first)
        // The left column of the tables, and the sentence about what is passed over.
        let lines = section.split(separator: "\n").map { $0.hasPrefix("| ") ? $0.split(separator: "|")[0] : $0 }
        let found = Set(lines.flatMap { $0.matches(of: /`(?:--)?([a-z0-9_]+)(?: [a-z0-9]+)?`/) }.map { String($0.1) })
        #expect(known.count > 150)
        #expect(known.subtracting(found).sorted() == [], "not in the document")
    }
}
