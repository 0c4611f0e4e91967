import Foundation
import Testing
import _BitsTestSupport

/// A model of two layers with a template: what it says means nothing, but it is the same every time.
@Suite struct ChatTests {
    private let model: TinyModel
    private var options: [String] { ["--model", model.path, "--greedy", "--max-new-tokens", "6", "--compute", "float32"] }

    init() throws {
        model = try TinyModel()
        let template = "{% for m in messages %}{{ m.role }} said {{ m.content }}. {% endfor %}{% if add_generation_prompt %}the{% endif %}"
        try model.scratch.write(template, as: "chat_template.jinja")
    }

    /// What the model writes after `prompt`, with no special token before it.
    private func continued(_ prompt: String) throws -> String {
        try model.scratch.write(prompt, as: "prompt.jinja")
        return try Command.run(
            ["generate", "--messages", "-", "--chat-template", "\(model.path)/prompt.jinja"] + options, input: #"[{"role": "user", "content": ""}]"#
        ).output
    }

    @Test("every line is a turn, and the model sees all that was said")
    func turns() throws {
        let first = try continued("user said hello. the")
        let second = try continued("user said hello. assistant said \(first.dropLast()). user said and then. the")
        let outcome = try Command.run(["chat"] + options, input: "hello\n\nand then\n")
        #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
        #expect(first.count > 1 && outcome.output == first + second)
    }

    @Test("/reset forgets, /system begins anew, and what is no command is told")
    func commands() throws {
        let plain = try continued("user said hello. the")
        let told = try continued("system said be kind. user said hello. the")
        let outcome = try Command.run(["chat"] + options, input: "hello\n/reset\nhello\n/rest\n/system be kind\nhello\n/reset\nhello\n/exit\nhello\n")
        #expect(outcome.status == 0 && outcome.output == plain + plain + told + told)
        #expect(outcome.errors == "bnb: there is no '/rest'; /help tells what there is\n")
        let given = try Command.run(["chat", "--system", "be kind"] + options, input: "hello")
        #expect(given.output == told)
        #expect(try Command.run(["chat"] + options, input: "/help\n").errors.contains("/reset"))
    }

    @Test("a conversation in a file is continued, with its tools where it has some")
    func messages() throws {
        let conversation = #"[{"role": "user", "content": "hello"}]"#
        try model.scratch.write("{\"messages\": \(conversation), \"tools\": [{\"name\": \"f\"}]}", as: "messages.json")
        let path = "\(model.path)/messages.json"
        #expect(try Command.run(["generate", "--messages", path] + options).output == (try continued("user said hello. the")))
        try model.scratch.write("[{{ tools[0].name }}", as: "tools.jinja")
        let withTools = try Command.run(["generate", "--messages", path, "--chat-template", "\(model.path)/tools.jinja"] + options).output
        #expect(withTools == (try continued("[f")))
        let json = try Command.run(["generate", "--messages", "-", "--json"] + options, input: conversation).json
        #expect((json["prompt_tokens"] as? Int ?? 0) > 3)
    }

    @Test("the turn ends at the template's end token, too")
    func endOfTurn() throws {
        let free = try Command.run(["generate", "--messages", "-", "--json"] + options, input: #"[{"role": "user", "content": "hello"}]"#).json
        let ids = try #require(free["token_ids"] as? [Int])
        let tokens = try JSONSerialization.jsonObject(with: try model.scratch.data("tokenizer.json")) as? [String: Any]
        let vocabulary = try #require((tokens?["model"] as? [String: Any])?["vocab"] as? [String: Int])
        let last = try #require(vocabulary.first { $0.value == ids[2] }?.key)
        try model.change("tokenizer_config.json") { $0["eos_token"] = last }
        let ended = try Command.run(["generate", "--messages", "-", "--json"] + options, input: #"[{"role": "user", "content": "hello"}]"#).json
        #expect(ended["token_ids"] as? [Int] == Array(ids.prefix(3)) && ended["finish_reason"] as? String == "stop")
    }

    @Test(
        "what is wrong is told in one line",
        arguments: [
            (["chat"], "", 65, "has no chat template"), (["generate", "--messages", "-"], "[]", 65, "a list of messages was expected"),
            (["generate", "--messages", "-"], "[{}]", 65, "standard input: message 1 is an object; a message with 'role' was expected"),
            (["generate", "--messages", "-"], "{", 65, "cut short"), (["generate", "--messages", "/nowhere/m.json"], "", 74, "/nowhere/m.json"),
            (["generate", "--messages", "-", "--prompt", "a"], "", 64, "--messages takes no --prompt"),
            (["generate", "--prompt", "a", "--chat-template", "x"], "", 64, "--chat-template needs --messages"),
            (["chat", "--greedy", "--top-k", "5"], "", 64, "--greedy takes no"),
            (["chat", "--chat-template", "/nowhere/t.jinja"], "", 74, "/nowhere/t.jinja"),
        ])
    func wrong(arguments: [String], input: String, status: Int32, part: String) throws {
        let outcome = try Command.run(arguments, input: input)
        #expect(outcome.status == status && outcome.errors.contains(part) && outcome.output.isEmpty, "\(outcome.errors)")
    }

    @Test("a turn that the template refuses ends a command that nobody watches")
    func refused() throws {
        try model.scratch.write("{{ raise_exception('Speak up') }}", as: "chat_template.jinja")
        let outcome = try Command.run(["chat"] + options, input: "hm\nhm\n")
        #expect(outcome.status == 65 && outcome.errors.contains("the template says: Speak up") && outcome.output.isEmpty)
    }

    @Test("an interruption stops the answer, and the conversation goes on")
    func interrupted() throws {
        let template = "\(ParityCases.folder)/chat/templates/chatml.jinja"
        let outcome = try Command.run(
            ["chat", "--chat-template", template, "--greedy", "--max-new-tokens", "400", "--compute", "float32"]
        ) { process, input, output in
            try input.write(contentsOf: Data("In the beginning\n".utf8))
            _ = output.availableData
            process.interrupt()
            try input.write(contentsOf: Data("/help\n".utf8))
            try input.close()
        }
        #expect(outcome.status == 0 && outcome.errors.contains("bnb: stopped") && outcome.errors.contains("/reset"), "\(outcome.errors)")
    }
}
