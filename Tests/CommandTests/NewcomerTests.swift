import Foundation
import Testing
import _BitsTestSupport

/// The command as somebody types it who has not read its help.
@Suite struct NewcomerTests {
    @Test(
        "what cannot be understood is answered in one line that says what is wrong, and what may have been meant",
        arguments: [
            (["genrate", "--prompt", "a"], "no verb 'genrate'; did you mean 'generate'?"),
            (["quantise"], "no verb 'quantise'; did you mean 'quantize'?"),
            (["help", "quantise"], "no verb 'quantise'; did you mean 'quantize'?"),
            (["run", "llama"], "no verb 'run'; there are: demo, train, estimate, quantize,"),
            (["--model", "lexicon-5m"], "a verb comes first, as in 'bnb generate --model lexicon-5m'; there are: demo,"),
            (["generate", "hello"], "generate takes options only, not 'hello'; did you mean '--prompt hello'? see 'bnb generate --help'"),
            (["generate"], "no prompt; give --prompt TEXT, --prompt - to read standard input, --prompt-file or --messages; see"),
            (["generate", "--prompt", "hello", "there"], "generate takes options only, not 'there'; put words that belong together in quotes; see"),
            (["generate", "--prompt"], "missing value for '--prompt <text>' (What to continue; - reads standard input; may be repeated); see"),
            (["generate", "--promt", "a"], "generate has no option '--promt'; did you mean '--prompt'?"),
            (["generate", "-p", "a", "-x"], "unknown option '-x'"),
            (["generate", "--prompt", "a", "--max-tokens", "4"], "generate has no option '--max-tokens'; did you mean '--max-new-tokens'?"),
            (
                ["generate", "--prompt", "a", "--temperature", "hot"],
                "the value 'hot' is invalid for '--temperature <number>' (Above 1 more surprising, below 1 less; 0 is --greedy); see"
            ),
            (
                ["generate", "--prompt", "a", "--load-in", "int4"],
                "the value 'int4' is invalid for '--load-in <format>'. Please provide one of 'nf4', "
            ),
            (
                ["generate", "--prompt", "a", "--compute", "fp8"],
                "the value 'fp8' is invalid for '--compute <type>'. Please provide one of 'float32', "
            ),
            (["generate", "--prompt", "a", "--device", "gpu"], "no device 'gpu'; use auto, cpu, cuda or cuda:N; see"),
            (["quantize", "lexicon-5m"], "quantize takes options only, not 'lexicon-5m'; did you mean '--model lexicon-5m'?"),
            (
                ["quantize", "-o", "x"],
                "--to is missing; say what linear layers become: nf4, nf4-dq, fp4, fp4-dq or int8; see"
            ),
            (["quantize", "--to", "nf4"], "missing expected argument '--output <folder>' (The folder to make; it must not exist); see"),
            (["quantize", "--to", "nf4", "-o", "x", "--max-shard-size", "5X"], "the value '5X' is invalid for '--max-shard-size <size>'"),
            (["quantize", "--to", "nf4", "--ouput=x"], "quantize has no option '--ouput'; did you mean '--output'?"),
            (["inspect", "lexicon-5m"], "inspect takes options only, not 'lexicon-5m'; did you mean '--model lexicon-5m'?"),
            (["evaluate", "--colour"], "evaluate has no option '--colour'; see 'bnb evaluate --help'"),
            (["bench", "decode"], "bench takes options only, not 'decode'; did you mean '--only decode'?"),
            (["bench", "--only", "decod"], "no measurement 'decod'; did you mean 'decode'? there are: "),
            (["demo", "now"], "demo takes options only, not 'now'; see"),
        ])
    func misunderstood(arguments: [String], answer: String) throws {
        let outcome = try Command.run(arguments)
        #expect(outcome.status == 64 && outcome.output.isEmpty)
        #expect(outcome.errors.hasPrefix("bnb: \(answer)"), "\(outcome.errors)")
        #expect(outcome.errors.split(separator: "\n").count == 1)
    }

    @Test(
        "files and models that are not there are answered in one line, too",
        arguments: [
            (["generate", "--prompt", "a", "--model", "org/model"], 74, "org/model: is not there, and the Hugging Face cache "),
            (["generate", "--prompt", "a", "--model", "/tmp"], 74, "/tmp: has no config.json; name a folder in the Hugging Face layout"),
            (
                ["generate", "--prompt", "a", "-m", "lexicon-5m", "-a", "none"], 74,
                "none: is not a folder; name the one that holds the model, or the adapter"
            ),
            (["evaluate", "--text", "none.txt"], 74, "none.txt: cannot be read: No such file or directory"),
            (
                ["dequantize", "--model", "lexicon-5m", "-o", "x"], 65,
                "embedded:lexicon-5m: holds no quantized weight; there is nothing to dequantize"
            ),
        ])
    func missing(arguments: [String], status: Int, answer: String) throws {
        let outcome = try Command.run(arguments)
        #expect(outcome.status == Int32(status) && outcome.output.isEmpty)
        #expect(outcome.errors.hasPrefix("bnb: \(answer)") && outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
    }

    @Test(
        "the names of Hugging Face's options ask for the same, in any order",
        arguments: [
            (["--load_in_4bit"], "nf4"), (["--load-in-4bit", "--bnb-4bit-quant-type", "fp4"], "fp4"),
            (["--bnb_4bit_quant_type=fp4", "--load_in_4bit", "True"], "fp4"), (["--load_in_8bit=true"], "int8"),
            (["--load_in_8bit", "False", "--load_in_4bit"], "nf4"), (["--load-in", "4bit"], "nf4"), (["--load-in", "8bit"], "int8"),
        ])
    func aliases(options: [String], format: String) throws {
        let arguments = ["evaluate", "--model_name_or_path", "lexicon-5m", "--windows", "1", "--window", "16", "--json"]
        let outcome = try Command.run(arguments + options)
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(try outcome.json["load_in"] as? String == format)
    }

    @Test(
        "types are understood as other tools spell them",
        arguments: [
            "float32": ["float32", "fp32", "f32", "float", "torch.float32", "torch.float", "FP32"],
            "float16": ["float16", "fp16", "f16", "half", "torch.float16", "torch.half", "FP16"],
            "bfloat16": ["bfloat16", "bf16", "torch.bfloat16", "BF16"],
        ])
    func types(name: String, spellings: [String]) throws {
        let evaluate = ["evaluate", "--model", "lexicon-5m", "--windows", "1", "--window", "16", "--json"]
        for spelling in spellings { #expect(try Command.run(evaluate + ["--compute", spelling]).json["compute"] as? String == name, "\(spelling)") }
        let (model, scratch) = (try TinyModel(.nf4), try Scratch())
        let others = [
            ["generate", "--model", "lexicon-5m", "--prompt", "a", "-n", "1", "--cache", spellings[1], "--activations", spellings.last!],
            ["quantize", "--model", "lexicon-5m", "--to", "bnb.nf4", "--compute", spellings[1], "--output", "\(scratch.path)/a"],
            ["dequantize", "--model", model.path, "--dtype", spellings[1], "--output", "\(scratch.path)/b"],
            ["demo", "--steps", "1", "--compute", spellings[1]],
        ]
        for arguments in others { #expect(try Command.run(arguments).status == 0, "\(arguments)") }
        #expect(String(decoding: try scratch.data("a/config.json"), as: UTF8.self).contains("\"bnb_4bit_compute_dtype\": \"\(name)\""))
        #expect(String(decoding: try scratch.data("b/config.json"), as: UTF8.self).contains("\"dtype\": \"\(name)\""))
    }

    @Test("quantize takes the names of Hugging Face's options too")
    func quantizeAliases() throws {
        let (model, scratch) = (try TinyModel(), try Scratch())
        let options = ["--load_in_4bit", "--bnb_4bit_quant_type", "fp4", "--bnb_4bit_use_double_quant", "--bnb_4bit_compute_dtype", "bfloat16"]
        let outcome = try Command.run(["quantize", "--model_name_or_path", model.path, "--output_dir", "\(scratch.path)/m"] + options)
        #expect(outcome.status == 0, "\(outcome.errors)")
        let config = try #require(
            try Command.run("inspect", "--model", "\(scratch.path)/m", "--json").json["quantization_config"] as? [String: Any])
        #expect(config["bnb_4bit_quant_type"] as? String == "fp4" && config["bnb_4bit_use_double_quant"] as? Bool == true)
        #expect(config["bnb_4bit_compute_dtype"] as? String == "bfloat16")
    }

    @Test(
        "without a model the one built in is used, and that is said",
        arguments: [["evaluate", "--windows", "1"], ["generate", "--prompt", "a", "--max-new-tokens", "1"], ["inspect"]])
    func builtIn(arguments: [String]) throws {
        let outcome = try Command.run(arguments)
        #expect(outcome.status == 0 && outcome.errors.contains("no --model; this is the built-in lexicon-5m"))
        #expect(try Command.run(arguments + ["-m", "lexicon-5m"]).errors.isEmpty)
    }

    @Test("a model in the home folder and a revision in the cache are found by their usual names")
    func names() throws {
        let (model, home) = (try TinyModel(), try Scratch())
        let snapshot = "\(home.path)/.cache/huggingface/hub/models--org--tiny/snapshots/v2"
        try FileManager.default.createDirectory(atPath: "\(snapshot)/..", withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: model.path, toPath: snapshot)
        try FileManager.default.copyItem(atPath: model.path, toPath: "\(home.path)/tiny")
        let environment = ["HOME": home.path, "HF_HOME": "", "HF_HUB_CACHE": "", "HUGGINGFACE_HUB_CACHE": "", "XDG_CACHE_HOME": ""]
        for name in ["--model=~/tiny", "--model=org/tiny@v2"] {
            let outcome = try Command.run(["inspect", name], environment: environment)
            #expect(outcome.status == 0 && outcome.output.contains("llama"), "\(outcome.errors)")
        }
        let missing = try Command.run(["inspect", "--model=org/tiny@v3"], environment: environment)
        #expect(missing.status == 65 && missing.errors.contains("has no snapshot of revision 'v3'"))
    }

    @Test("a text comes from standard input or a pipe as from a file")
    func pipedText() throws {
        let scratch = try Scratch()
        try scratch.write(String(repeating: "In the beginning. ", count: 40), as: "text.txt")
        let options = "evaluate --model lexicon-5m --window 32 --json --text"
        let file = try Command.run(shell: "\"$0\" \(options) \"$1\"", [Command.path, "\(scratch.path)/text.txt"]).json["nll"] as? Double
        let input = try Command.run(shell: "\"$0\" \(options) - < \"$1\"", [Command.path, "\(scratch.path)/text.txt"]).json["nll"] as? Double
        let pipe = try Command.run(shell: "cat \"$1\" | \"$0\" \(options) /dev/stdin", [Command.path, "\(scratch.path)/text.txt"]).json
        #expect(file != nil && file == input && pipe["nll"] as? Double == file)
        try scratch.write(Data([0xff, 0xfe, 0x41]), as: "other.txt")
        let other = try Command.run("evaluate", "--text", "\(scratch.path)/other.txt")
        #expect(other.status == 65 && other.errors.contains("is not text in UTF-8"))
    }

    @Test(
        "a target that cannot be written is refused before the work",
        arguments: [
            ["demo", "--output"], ["quantize", "--model", "lexicon-5m", "--to", "nf4", "--output"],
            ["evaluate", "--model", "lexicon-5m", "--logits"],
        ])
    func targets(arguments: [String]) throws {
        let scratch = try Scratch()
        try scratch.write("mine", as: "taken")
        try FileManager.default.createSymbolicLink(atPath: "\(scratch.path)/link", withDestinationPath: "\(scratch.path)/elsewhere")
        let clock = ContinuousClock()
        for target in ["taken", "link", "no/folder"] {
            var outcome: Outcome?
            let time = try clock.measure { outcome = try Command.run(arguments + ["\(scratch.path)/\(target)"]) }
            #expect(outcome?.status == 74 && outcome?.output.isEmpty == true, "\(target): \(outcome?.errors ?? "")")
            #expect(outcome?.errors.contains("\(scratch.path)/\(target): ") == true)
            #expect(time < .seconds(2))
        }
        #expect(try scratch.data("taken") == Data("mine".utf8))
        #expect(try scratch.names == ["link", "taken"])
    }

    @Test("control characters of a file reach the terminal escaped, and long names shortened")
    func controlCharacters() throws {
        let model = try TinyModel()
        try model.change("config.json") { $0["model_type"] = "evil\u{1b}[2J\u{7}" }
        try model.changeHeader { entries in
            entries["extra\u{1b}]0;owned\u{7}" + String(repeating: "x", count: 5000)] = entries["lm_head.weight"]
            entries["lm_head.weight"] = nil
        }
        let inspect = try Command.run("inspect", "--model", model.path, "--tensors")
        #expect(inspect.status == 0 && inspect.output.contains("evil\\u{1b}[2J\\u{7}"))
        let refusal = try Command.run("generate", "--model", model.path, "--prompt", "a")
        #expect(refusal.errors.contains("evil\\u{1b}[2J"))
        for text in [inspect.output, refusal.errors] {
            #expect(!text.unicodeScalars.contains { $0.value < 32 && $0 != "\n" })
            #expect(text.split(separator: "\n").allSatisfy { $0.count < 1200 })
        }
    }

    @Test("an infinite perplexity is null in JSON")
    func infinitePerplexity() throws {
        let model = try TinyModel()
        // A norm a million times too large makes the model certain, and wrong.
        try model.changeBytes(of: "model.norm.weight") { bytes in
            for index in stride(from: 0, to: bytes.count, by: 4) { bytes.replaceSubrange(index..<index + 4, with: [0x24, 0x74, 0x49, 0x4b]) }
        }
        let outcome = try Command.run("evaluate", "--model", model.path, "--windows", "1", "--window", "16", "--json")
        #expect(outcome.status == 0, "\(outcome.errors)")
        let result = try outcome.json
        #expect(result["perplexity"] is NSNull && (result["nll"] as? Double ?? 0) > 710)
    }

    @Test("the device is found by itself, and named processors stay what they are", arguments: ["auto", "cpu"])
    func device(name: String) throws { #expect(try Command.run("doctor", "--device", name).status == 0) }

    @Test("the demonstration runs to its end, shows what each step does in lines of 80 characters, and leaves what it made")
    func demo() throws {
        let scratch = try Scratch()
        let outcome = try Command.run("demo", "--steps", "3", "-o", "\(scratch.path)/demo")
        #expect(outcome.status == 0, "\(outcome.errors)")
        for part in [
            "42 layers in NF4", "  4.21\n", "not trained on: mean loss 4.21", "trainable params: 448,512 ||", "mean loss 4.21", " after\n",
            "What does the noun \"volcano\" mean?", "5. Memory in training: at most ", "of moments were paged out", "   activations ",
            "42 layers, written and read back",
            "What is left in \(scratch.path)/demo", "bnb train --model MODEL",
        ] {
            #expect(outcome.output.contains(part), "\(part)")
        }
        let lines = outcome.output.split(separator: "\n").filter { !$0.contains(scratch.path) && !$0.contains("before: ") && !$0.contains("after: ") }
        #expect(lines.allSatisfy { $0.count <= 80 }, "\(lines.filter { $0.count > 80 })")
        let told = outcome.errors.split(separator: "\n")
        #expect(told.map { $0.prefix(8) } == ["step 1/3", "step 3/3"] && told.allSatisfy { $0.contains("  lr ") })
        let names = try FileManager.default.subpathsOfDirectory(atPath: "\(scratch.path)/demo")
        for name in ["adapter_config.json", "adapter_model.safetensors", "loss.svg", "merged/config.json", "merged/model.safetensors"] {
            #expect(names.contains(name), "\(name)")
        }
        let adapted = try Command.run(
            "evaluate", "--load-in", "nf4", "--adapter", "\(scratch.path)/demo", "--compute", "bfloat16", "--windows", "2", "--json")
        let merged = try Command.run("evaluate", "--model", "\(scratch.path)/demo/merged", "--windows", "2", "--json")
        let (first, second) = (try #require(try adapted.json["nll"] as? Double), try #require(try merged.json["nll"] as? Double))
        #expect(abs(first - second) < 1e-2)
    }

    @Test("without a place to keep it nothing of the demonstration is left")
    func demoLeavesNothing() throws {
        let scratch = try Scratch()
        let outcome = try Command.run(["demo", "--steps", "1"], environment: ["TMPDIR": scratch.path])
        #expect(outcome.status == 0 && outcome.output.contains("Nothing was kept"), "\(outcome.errors)")
        #expect(try scratch.names == [])
    }

    @Test("measurements are named, run and printed as text and as JSON")
    func bench() throws {
        let names = try Command.run("bench", "--list").output.split(separator: "\n")
        #expect(names.contains("linear-nf4-dq-m1") && names.contains("epoch"))
        let arguments = ["bench", "--only", "linear-nf4-dq-m1", "--only", "adamw-8bit", "--seconds", "0"]
        let text = try Command.run(arguments)
        #expect(text.status == 0 && text.output.contains("linear-nf4-dq-m1") && text.output.contains("ms"))
        let json = try Command.run(arguments + ["--json"]).output.split(separator: "\n").map {
            try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
        }
        #expect(json.compactMap { $0?["name"] as? String } == ["linear-nf4-dq-m1", "adamw-8bit"])
        #expect(json.allSatisfy { (($0?["milliseconds"] as? [String: Any])?["min"] as? Double ?? 0) > 0 })
    }
}
