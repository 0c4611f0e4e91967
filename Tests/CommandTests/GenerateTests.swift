import Testing
import _BitsTestSupport

@Suite struct GenerateTests {
    @Test("it computes as evaluation does, unless the command says otherwise")
    func computes() throws {
        func compute(_ verb: [String], _ options: String...) throws -> String? {
            try Command.run(verb + ["--json"] + options).json["compute"] as? String
        }
        let (generate, evaluate) = (["generate", "--prompt", "a", "--max-new-tokens", "1"], ["evaluate", "--windows", "1", "--window", "16"])
        for verb in [generate, evaluate] {
            #expect(try compute(verb) == "bfloat16")
            #expect(try compute(verb, "--load-in", "nf4") == "bfloat16")
            #expect(try compute(verb, "--compute", "float32") == "float32")
        }
    }

    @Test("greedy text is that of transformers")
    func greedy() throws {
        let outcome = try Command.run(
            "generate", "-m", "lexicon-5m", "--prompt", "In the beginning", "--greedy", "--compute", "float32", "--max-new-tokens", "32")
        #expect(outcome.status == 0 && outcome.errors.isEmpty)
        #expect(outcome.output.hasPrefix(" of the month, in the first day of the month,"))
        #expect(outcome.output.hasSuffix("\n"))
    }

    @Test("the JSON form holds text, tokens and speed")
    func json() throws {
        let result = try Command.run(
            "generate", "--load_in", "nf4-dq", "--prompt", "cat (noun) means", "--max_new_tokens=8", "--json"
        ).json
        #expect((result["text"] as? String)?.isEmpty == false)
        #expect(result["tokens"] as? Int == 8)
        #expect((result["token_ids"] as? [Int])?.count == 8)
        #expect((result["prompt_tokens"] as? Int ?? 0) > 3)
        #expect((result["tokens_per_second"] as? Double ?? 0) > 0)
        #expect(result["finish_reason"] as? String == "length")
    }

    @Test("an adapter saved by PEFT changes the text, and one for another model is refused")
    func adapter() throws {
        let (model, adapter) = (try TinyModel(), "\(ParityCases.folder)/models/llama/adapter")
        let arguments = ["generate", "--model", model.path, "--prompt", "a", "--greedy", "--max-new-tokens", "8", "--json"]
        let plain = try Command.run(arguments).json["token_ids"] as? [Int]
        let adapted = try Command.run(arguments + ["--adapter", adapter]).json["token_ids"] as? [Int]
        #expect(plain != nil && adapted != nil && plain != adapted)
        let refused = try Command.run("generate", "--prompt", "a", "--adapter", adapter)
        #expect(refused.status == 65)
        #expect(refused.errors.contains("the adapter does not fit the model"))
    }

    @Test("a seed fixes what is drawn")
    func seed() throws {
        func draw(_ seed: String) throws -> String {
            try Command.run("generate", "--prompt", "The", "--temperature", "1.5", "--top-k", "0", "--max-new-tokens", "24", "--seed", seed).output
        }
        let first = try draw("1")
        #expect(try draw("1") == first)
        #expect(try draw("2") != first)
    }

    @Test("several prompts get what each gets alone, with the seeds that follow one another")
    func severalPrompts() throws {
        let options = ["--max-new-tokens", "12", "--temperature", "1.2", "--top-p", "0.9", "--compute", "float32"]
        let together = try Command.run(["generate", "--prompt", "The", "--prompt", "In the beginning was", "--json", "--seed", "7"] + options)
            .jsonLines
        let alone = try [("The", "7"), ("In the beginning was", "8")].map { prompt, seed in
            try Command.run(["generate", "--prompt", prompt, "--json", "--seed", seed] + options).json
        }
        #expect(together.count == 2)
        for (a, b) in zip(together, alone) {
            #expect(a["token_ids"] as? [Int] == b["token_ids"] as? [Int] && a["text"] as? String == b["text"] as? String)
        }
        let text = try Command.run(["generate", "--prompt", "The", "--prompt", "In the beginning was", "--seed", "7"] + options).output
        #expect(text == alone.map { "\($0["text"] as? String ?? "")\n" }.joined())
    }

    @Test("a prompt may come from standard input or a file, whose last line end is not part of it")
    func promptSources() throws {
        let scratch = try Scratch()
        try scratch.write("In the\nbeginning\n", as: "prompt.txt")
        let options = ["--greedy", "--max-new-tokens", "8"]
        let expected = try Command.run(["generate", "--prompt", "In the\nbeginning"] + options)
        #expect(expected.status == 0 && expected.output.count > 5)
        #expect(try Command.run(["generate", "--prompt", "-"] + options, input: "In the\nbeginning\n").output == expected.output)
        #expect(try Command.run(["generate", "--prompt-file", "\(scratch.path)/prompt.txt"] + options).output == expected.output)
        let missing = try Command.run("generate", "--prompt-file", "\(scratch.path)/none.txt")
        #expect(missing.status == 74 && missing.errors.contains("none.txt"))
        let twice = try Command.run(["generate", "--prompt", "-", "--prompt", "-"], input: "a")
        #expect(twice.status == 64 && twice.errors.contains("give it once"))
    }

    @Test(
        "values that look like options, or are empty, are values",
        arguments: [
            ["--prompt", "- milk"], ["-p", "-n"], ["--prompt", "--- a"], ["--prompt", "--greedy"], ["--prompt="], ["--prompt", ""], ["--prompt=-x=y"],
        ])
    func textValues(arguments: [String]) throws {
        let outcome = try Command.run(["generate"] + arguments + ["--max-new-tokens", "2", "--json"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let plain = try Command.run("generate", "--prompt", "milk", "--max-new-tokens", "2", "--json").json["prompt_tokens"] as? Int
        #expect(try outcome.json["prompt_tokens"] as? Int != plain)
    }

    @Test("a seed below 0 is a seed like any other")
    func negativeSeed() throws {
        func draw(_ seed: [String]) throws -> String {
            try Command.run(["generate", "--prompt", "The", "--temperature", "1.5", "--max-new-tokens", "24"] + seed).output
        }
        let first = try draw(["--seed", "-1"])
        #expect(try draw(["--seed=-1"]) == first)
        #expect(try draw(["--seed", "18446744073709551615"]) == first)
        #expect(try draw(["--seed", "1"]) != first)
    }

    @Test("a text ends before a stop string")
    func stop() throws {
        let arguments = ["generate", "--prompt", "In the beginning", "--greedy", "--compute", "float32", "--max-new-tokens", "32"]
        let free = try Command.run(arguments).output
        let outcome = try Command.run(arguments + ["--stop", "xyz", "--stop", " first day"])
        #expect(outcome.output == " of the month, in the\n" && free.hasPrefix(" of the month, in the first day"))
        let json = try Command.run(arguments + ["--stop_strings", " first day", "--json"]).json
        #expect(json["text"] as? String == " of the month, in the" && json["finish_reason"] as? String == "stop")
        let empty = try Command.run(arguments + ["--stop="])
        #expect(empty.status == 64 && empty.errors.contains("stop string is empty"))
    }

    @Test("--min-p 1 leaves the likeliest token alone")
    func minP() throws {
        let greedy = try Command.run("generate", "--prompt", "The", "--greedy", "--max-new-tokens", "12").output
        #expect(
            try Command.run("generate", "--prompt", "The", "--min-p", "1", "--top-k", "0", "--seed", "3", "--max-new-tokens", "12").output == greedy)
        #expect(try Command.run("generate", "--prompt", "a", "--min-p", "2").errors.contains("min-p is 2"))
    }

    @Test("a prompt that fills the context is refused")
    func longPrompt() throws {
        let outcome = try Command.run("generate", "--prompt", String(repeating: "beginning ", count: 600))
        #expect(outcome.status == 65)
        #expect(outcome.errors.contains("shorten the prompt to at most 511 tokens"))
        #expect(outcome.output.isEmpty)
    }

    @Test("text that cannot be written is an error")
    func fullOutput() throws {
        let outcome = try Command.run(["generate", "--prompt", "The", "--max-new-tokens", "4"], output: "/dev/full")
        #expect(outcome.status == 74)
        #expect(outcome.errors.contains("standard output: cannot be written"))
    }
}
