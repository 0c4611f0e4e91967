import Testing

@Suite struct HelpTests {
    @Test(
        "every verb explains itself",
        arguments: [
            [], ["demo"], ["estimate"], ["quantize"], ["dequantize"], ["merge"], ["generate"], ["chat"], ["evaluate"], ["inspect"], ["doctor"],
            ["bench"], ["report"], ["train"],
        ])
    func help(verb: [String]) throws {
        let outcome = try Command.run(verb + ["--help"])
        #expect(outcome.status == 0)
        #expect(outcome.output.contains("USAGE: bnb"))
        #expect(outcome.errors.isEmpty)
    }

    @Test(
        "every option says what holds without it, unless it has to be given",
        arguments: [
            "demo", "estimate", "quantize", "dequantize", "merge", "generate", "chat", "evaluate", "inspect", "doctor", "bench", "report", "train",
        ])
    func defaults(verb: String) throws {
        let help = try Command.run([verb, "--help"], environment: ["COLUMNS": "10000"]).output
        let usage = try #require(help.split(separator: "\n").first { $0.hasPrefix("USAGE:") })
        // `  -m, --model <model>  A folder ...`, where a long name has its text on the next line.
        let options = help.matches(of: /(?m)^  (?:-\w, )?(--[a-z0-9-]+) <[a-z]+>(?: +|\n +)(.+)$/)
        for option in options {
            let isRequired = usage.contains(" \(option.1) <") && !usage.contains("[\(option.1) <")
            #expect(isRequired || option.2.contains("default: "), "\(option.0)")
        }
        let flags = help.matches(of: /(?m)^  (?:-\w, )?--[a-z0-9-]+(?: +|\n +)[^ <]/)
        #expect(options.count + flags.count == help.matches(of: /(?m)^  -/).count)
    }

    @Test("the version is printed")
    func version() throws {
        let outcome = try Command.run("--version")
        #expect(outcome.status == 0 && outcome.output.hasPrefix("bnb "))
    }

    @Test(
        "wrong usage is refused with 64, a reason, and nothing on standard output",
        arguments: [
            (["dance"], "dance"),
            (["quantize", "--output", "x"], "--to"),
            (["quantize", "--to", "nf4"], "--output"),
            (["quantize", "--to", "int3", "--output", "x"], "int3"),
            (["quantize", "--to", "nf4", "--block-size", "48", "--output", "x"], "block size 48 is not supported; use one of 32, 64"),
            (["quantize", "--to", "int8", "--block-size", "64", "--output", "x"], "--block-size needs --to nf4 or fp4"),
            (["quantize", "--to", "int8", "--double-quantization", "--output", "x"], "--double-quantization needs --to nf4 or fp4"),
            (["quantize", "--to", "nf4", "--outlier-threshold", "6", "--output", "x"], "--outlier-threshold needs --to int8"),
            (["quantize", "--to", "int8", "--outlier-threshold=-1", "--output", "x"], "--outlier-threshold -1.0 is not a number from 0"),
            (["quantize", "--to", "nf4", "--max-shard-size", "0", "--output", "x"], "'0'"),
            (["quantize", "--to", "nf4", "--max-shard-size", "5PB", "--output", "x"], "5PB"),
            (["merge", "--output", "x"], "--adapter"),
            (["merge", "--adapter", "x"], "--output"),
            (["merge", "--adapter", "x=nan", "--output", "x"], "x=nan"),
            (["merge", "--adapter", "x", "--output", "x", "--skip", "lm_head"], "--skip needs --load-in"),
            (["dequantize", "--output", "x"], "--model"),
            (["dequantize", "--model", "x"], "--output"),
            (["dequantize", "--model", "x", "--output", "x", "--dtype", "int8"], "int8"),
            (["generate", "--prompt", "a", "--load-in", "int8", "--block-size", "64"], "--block-size needs --load-in nf4 or fp4"),
            (["generate", "--prompt", "a", "--skip", "lm_head"], "--skip needs --load-in"),
            (["generate", "--prompt", "a", "--quantize-embeddings"], "--quantize-embeddings needs --load-in"),
            (["generate", "--prompt", "a", "--head", "int3"], "int3"),
            (["generate", "--prompt", "a", "--head", "int8", "--block-size", "64"], "--block-size needs --load-in nf4 or fp4"),
            (["generate"], "--prompt"),
            (["generate", "--prompt", "a", "--load-in", "nf5"], "nf5"),
            (["generate", "--prompt", "a", "--temperature", "-1"], "temperature"),
            (["generate", "--prompt", "a", "--temperature", "warm"], "warm"),
            (["generate", "--prompt", "a", "--top-p", "1.5"], "top-p"),
            (["generate", "--prompt", "a", "--top-k", "-1"], "top-k"),
            (["generate", "--prompt", "a", "--greedy", "--top-k", "5"], "--greedy"),
            (["generate", "--prompt", "a", "--greedy", "--min-p", "0.1"], "--greedy"),
            (["generate", "--prompt", "a", "--max-new-tokens", "0"], "--max-new-tokens"),
            (["generate", "--prompt", "a", "--double-quantization"], "--load-in"),
            (["generate", "--prompt", "a", "--threads", "0"], "--threads"),
            (["generate", "--prompt", "a", "--device", "abacus"], "abacus"),
            (["generate", "--prompt", "a", "--compute", "float8"], "float8"),
            (["generate", "--prompt", "a", "--seed", "x"], "seed"),
            (["evaluate", "--window", "1"], "--window"),
            (["evaluate", "--windows", "0"], "--windows"),
            (["evaluate", "--window", "513", "--windows", "1"], "513"),
            (["evaluate", "--colour"], "--colour"),
            (["bench", "--only", "luck"], "luck"),
        ])
    func wrongUsage(arguments: [String], reason: String) throws {
        let outcome = try Command.run(arguments)
        #expect(outcome.status == 64)
        #expect(outcome.errors.contains(reason))
        #expect(outcome.output.isEmpty)
    }

    @Test("options that only the model can refuse are refused with the verb's usage")
    func lateUsage() throws {
        let outcome = try Command.run("generate", "--prompt", "a", "--repetition-penalty", "0")
        #expect(outcome.status == 64)
        #expect(outcome.errors.contains("repetition penalty is 0") && outcome.errors.contains("see 'bnb generate --help'"))
    }

    @Test(
        "variables of the environment that mean nothing are refused with 64 and what is allowed",
        arguments: [
            ("BNB_CPU", "avx1024", "portable, avx2, avx512, amx"), ("BNB_NUM_THREADS", "zero", "1 to 1024"), ("BNB_NUM_THREADS", "0", "1 to 1024"),
        ])
    func environment(name: String, value: String, allowed: String) throws {
        let outcome = try Command.run(["generate", "--prompt", "a"], environment: [name: value])
        #expect(outcome.status == 64 && outcome.output.isEmpty)
        #expect(outcome.errors.contains("\(name) is '\(value)'") && outcome.errors.contains(allowed))
    }

    @Test("a demo that cannot be shown is an error")
    func demoOutput() throws {
        #expect(try Command.run(["demo", "--steps", "1"], output: "/dev/full").status == 74)
    }

    @Test(
        "devices that are not supported are refused by name with 69", arguments: ["rocm", "hip", "metal", "mps", "xpu", "gaudi", "hpu", "npu"])
    func missingDevice(name: String) throws {
        let outcome = try Command.run("generate", "--prompt", "a", "--device", name)
        #expect(outcome.status == 69)
        #expect(outcome.errors.contains("backend '\(name.split(separator: ":")[0])' is not supported; use cuda or cpu"))
    }

    @Test("a GPU that is not there is refused with 69, and what to do")
    func missingGPU() throws {
        let outcome = try Command.run("generate", "--prompt", "a", "--device", "cuda:63")
        #expect(outcome.status == 69)
        #expect(outcome.errors.contains("cannot be used: "))
    }
}
