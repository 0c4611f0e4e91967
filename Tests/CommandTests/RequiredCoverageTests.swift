import Foundation
import Testing
import _BitsTestSupport

/// `--require-coverage` on every verb that loads a model.
@Suite struct RequiredCoverageTests {
    /// What each verb is asked, with the folder of a model and one for what it writes.
    enum Verb: String, CaseIterable {
        case chat, evaluate, generate, merge, train, mergeAndQuantize

        func arguments(model: String, output: String) -> [String] {
            switch self {
            case .chat: ["chat", "--model", model, "--chat-template", "\(model)/template.jinja"]
            case .evaluate:
                ["evaluate", "--model", model, "--text", "\(model)/text", "--window", "8", "--windows", "1", "--logits", "\(output)/logits"]
            case .generate: ["generate", "--model", model, "--prompt", "a", "--max-new-tokens", "1"]
            case .merge, .mergeAndQuantize:
                ["merge", "--model", model, "--adapter", "\(ParityCases.folder)/models/llama/adapter", "--output", "\(output)/merged"]
            case .train:
                ["train", "--model", model, "--data", "\(model)/data.jsonl", "--output", "\(output)/run", "--steps", "1", "--lora-rank", "2"]
            }
        }
    }

    @Test("less than is asked for is one sentence that names what is left, and nothing is left behind; enough is enough", arguments: Verb.allCases)
    func required(verb: Verb) throws {
        let (model, scratch) = (try TinyModel(), try Scratch())
        try model.scratch.write("{{ messages[0].content }}", as: "template.jinja")
        try model.scratch.write("one two three four five six", as: "text")
        try model.scratch.write(#"{"prompt": "a", "completion": " b"}"#, as: "data.jsonl")
        let form = [verb == .mergeAndQuantize ? "--to" : "--load-in", "nf4", "--skip", "down_proj", "--require-coverage"]
        let arguments = verb.arguments(model: model.path, output: scratch.path) + form
        let refused = try Command.run(arguments + ["0.9"], input: "hello\n")
        let sentence = """
            bnb: quantized 75.0 % of the weights of linear layers, less than --require-coverage 0.9; left: model.layers.*.mlp.down_proj, 2 times

            """
        #expect(refused.status == 65 && refused.output.isEmpty && refused.errors == sentence)
        #expect(try scratch.names == [])
        let taken = try Command.run(arguments + ["0.75"], input: "")
        #expect(taken.status == 0, "\(taken.errors)")
    }
}
