import Testing
import _BitsTestSupport

@Suite struct GenerateTests {
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
