import Foundation
import Testing

@Suite struct EvaluateTests {
    @Test(
        "the built-in model predicts its text as well as with transformers and bitsandbytes",
        arguments: [
            ([], 2.54536), (["--load-in", "nf4"], 2.57986), (["--load-in", "bnb.nf4-dq"], 2.57988), (["--load-in", "fp4"], 2.60544),
            (["--load-in", "int8"], 2.54678),
        ])
    func likelihood(format: [String], recorded: Double) throws {
        let outcome = try Command.run(["evaluate", "--model", "lexicon-5m", "--windows", "64", "--json"] + format)
        #expect(outcome.status == 0 && outcome.errors.isEmpty)
        let nll = try #require(outcome.json["nll"] as? Double)
        #expect(abs(nll - recorded) < 1e-3)  // the README of the model gives five digits; sums are in another order
        #expect(try outcome.json["tokens"] as? Int == 64 * 511)
        let perplexity = try #require(outcome.json["perplexity"] as? Double)
        #expect(abs(perplexity - exp(nll)) < 1e-9)
    }

    @Test("a checkpoint made by quantize gives the same likelihood as quantizing while loading", arguments: ["nf4-dq", "bnb.int8"])
    func prequantized(format: String) throws {
        let scratch = try Scratch()
        #expect(try Command.run("quantize", "--to", format, "--output", "\(scratch.path)/model").status == 0)
        let stored = try Command.run("evaluate", "--model", "\(scratch.path)/model", "--windows", "2", "--json").json["nll"] as? Double
        let loaded = try Command.run("evaluate", "--load-in", format, "--windows", "2", "--json").json["nll"] as? Double
        #expect(stored != nil && stored == loaded)
    }

    @Test("bfloat16 products cost little")
    func bfloat16() throws {
        func likelihood(_ options: String...) throws -> Double {
            try #require(try Command.run(["evaluate", "--windows", "4", "--json"] + options).json["nll"] as? Double)
        }
        let exact = try likelihood("--compute", "fp32")
        let rounded = try likelihood("--compute", "torch.bfloat16")
        #expect(rounded != exact && abs(rounded - exact) < 0.003)
        #expect(try likelihood() == rounded, "the built-in weights are bfloat16")
        let narrow = try likelihood("--compute", "bf16", "--activations", "bfloat16")
        #expect(narrow != rounded && abs(narrow - exact) < 0.003)
    }

    @Test("a checkpoint says what it computes in, unless the command does")
    func storedComputeType() throws {
        let scratch = try Scratch()
        let made = ["quantize", "--to", "nf4", "--compute", "bfloat16", "--output", "\(scratch.path)/m"]
        #expect(try Command.run(made).status == 0)
        func evaluate(_ options: String...) throws -> (nll: Double, compute: String) {
            let json = try Command.run(["evaluate", "--windows", "2", "--window", "64", "--json"] + options).json
            return (try #require(json["nll"] as? Double), try #require(json["compute"] as? String))
        }
        let stored = try evaluate("--model", "\(scratch.path)/m")
        let exact = try evaluate("--model", "\(scratch.path)/m", "--compute", "float32")
        let plain = try evaluate("--load-in", "nf4")
        #expect(stored.compute == "bfloat16" && exact.compute == "float32" && plain.compute == "bfloat16")
        #expect(stored.nll != exact.nll && stored.nll == plain.nll)
    }

    @Test("threads do not change the result")
    func threads() throws {
        let arguments = ["evaluate", "--windows", "2", "--json", "--load-in", "nf4", "--threads"]
        let results = try (1...3).map { try #require(try Command.run(arguments + ["\($0)"]).json["nll"] as? Double) }
        #expect(Set(results).count == 1)
    }

    @Test("logits are written for other programs")
    func logits() throws {
        let scratch = try Scratch()
        let path = "\(scratch.path)/logits.safetensors"
        #expect(try Command.run("evaluate", "--windows", "2", "--window", "16", "--logits", path).status == 0)
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        let header = String(decoding: data.prefix(400), as: UTF8.self)
        #expect(header.contains(#""logits":{"dtype":"F32","shape":[2,16,4096]"#))
        #expect(header.contains(#""tokens":{"dtype":"I32","shape":[2,16]"#))
    }

    @Test("a text that is too short is refused")
    func shortText() throws {
        let scratch = try Scratch()
        try scratch.write("In the beginning", as: "short.txt")
        let outcome = try Command.run("evaluate", "--text", "\(scratch.path)/short.txt")
        #expect(outcome.status == 65)
        #expect(outcome.errors.contains("less than one window of 512; use a longer text or a smaller window"))
    }

    @Test("a text that is not there is refused")
    func missingText() throws {
        let outcome = try Command.run("evaluate", "--text", "/nowhere/text.txt")
        #expect(outcome.status == 74)
        #expect(outcome.errors.contains("/nowhere/text.txt: cannot be read"))
    }
}
