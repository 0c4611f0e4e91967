import BitsCore
import BitsIO
import BitsKernels
import BitsSystem
import Testing
import _BitsTestSupport

@Suite("Chat templates")
struct ChatTemplateTests {
    private let listed = """
        {"bos_token": {"content": "<s>", "special": true}, "eos_token": "</s>", "pad_token": null, "chat_template": [
          {"name": "default", "template": "d{{ bos_token }}{{ pad_token is defined }}"}, {"name": "tool_use", "template": "t{{ tools|length }}"}]}
        """

    private func folder(_ files: [String: String]) throws -> (TemporaryFolder, ModelFolder) {
        let folder = try TemporaryFolder()
        for (name, text) in files { try folder.write(text, as: name) }
        return (folder, try ModelFolder(path: folder.path))
    }

    private func text(_ files: [String: String], named name: String? = nil, hasTools: Bool = false) throws -> String {
        let (folder, model) = try folder(files)
        return try withExtendedLifetime(folder) {
            try ChatTemplate(model, named: name, hasTools: hasTools).text([.user("hi")], ChatTemplate.Options(tools: hasTools ? [[:]] : nil))
        }
    }

    @Test("A template is found in each of the places that models have it in")
    func places() throws {
        let inConfiguration = #"{"eos_token": "</s>", "chat_template": "c{{ messages[0].content }}{{ eos_token }}"}"#
        #expect(try text(["tokenizer_config.json": inConfiguration]) == "chi</s>")
        #expect(try text(["tokenizer_config.json": inConfiguration, "chat_template.jinja": "j{{ eos_token }}"]) == "j</s>")
        #expect(try text(["tokenizer_config.json": "{}", "chat_template.json": #"{"chat_template": "o"}"#]) == "o")
        #expect(try text(["chat_template.jinja": "{{ bos_token }}", "special_tokens_map.json": #"{"bos_token": "<b>"}"#]) == "<b>")
    }

    @Test("Of several templates one is chosen by its name, or by whether there are tools")
    func several() throws {
        #expect(try text(["tokenizer_config.json": listed]) == "d<s>False")
        #expect(try text(["tokenizer_config.json": listed], hasTools: true) == "t1")
        #expect(try text(["tokenizer_config.json": listed], named: "default", hasTools: true) == "d<s>False")
        #expect(try text(["tokenizer_config.json": listed, "additional_chat_templates/rag.jinja": "r"], named: "rag") == "r")
        let error = #expect(throws: ModelFileError.self) { try text(["tokenizer_config.json": listed], named: "tool-use") }
        #expect(error.map { "\($0)" }?.contains("did you mean 'tool_use'?") == true)
    }

    @Test("A model without one is told from a model with a damaged one")
    func none() throws {
        let (_, model) = try folder(["tokenizer_config.json": "{}"])
        #expect(try ChatTemplate.ifPresent(in: model) == nil)
        let missing = #expect(throws: ModelFileError.self) { try ChatTemplate(model) }
        #expect(missing.map { "\($0)" }?.contains("has no chat template") == true)
        let damaged = #expect(throws: ModelFileError.self) { try text(["chat_template.jinja": "a\n{% for %}"]) }
        #expect(
            damaged.map { "\($0)" }?.hasSuffix("chat_template.jinja: '%}' stands where a name to assign to was expected, at line 2, column 8") == true
        )
        #expect(throws: ModelFileError.self) { try text(["tokenizer_config.json": #"{"chat_template": 5}"#]) }
    }

    @Test("A template's refusal names the file and is in its words")
    func refusal() throws {
        let error = #expect(throws: ModelFileError.self) { try text(["chat_template.jinja": "{{ raise_exception('No ' + messages[0].role) }}"]) }
        #expect(error.map { "\($0)" }?.hasSuffix("chat_template.jinja: the template says: No user, at line 1, column 4") == true)
    }

    @Test("Fields that are null are absent, and a thought has every name it is read by")
    func fields() throws {
        let template = try ChatTemplate("{{ messages[0].content is defined }} {{ messages[0].reasoning_content }} {{ messages[0].thinking }}")
        let message = ChatMessage(fields: ["role": "assistant", "content": nil, "reasoning": "hm"])
        #expect(try template.text([message]) == "False hm hm")
        #expect(throws: ModelFileError.self) { try template.text([]) }
    }

    @Test("Messages are read from a list, or from an object that has one; anything else is told")
    func messages() throws {
        let one: JSONValue = [["role": "user", "content": "a"]]
        #expect(try ChatMessage.list(one, path: "m") == [.user("a")])
        #expect(try ChatMessage.list(["messages": one], path: "m") == [.user("a")])
        for wrong in [[], 5, ["messages": []], [5], [["content": "a"]], [["role": "user"], ["role": 1]]] as [JSONValue] {
            let error = #expect(throws: ModelFileError.self) { try ChatMessage.list(wrong, path: "m.json") }
            #expect(error.map { "\($0)" }?.hasPrefix("m.json: ") == true)
        }
    }

    @Test("Without marks an answer is what its turn adds to the text; where that cannot be told, it is said")
    func answersByDifference() throws {
        let tokenizer = try TokenizerFixture(base: "llama31").tokenizer()
        let text =
            "{% for m in messages %}<{{ m.role }}>{{ m.content }}</{{ m.role }}>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
        let turns: [ChatMessage] = [.user("a b"), .assistant("the answer"), .user("c"), .assistant("é日")]
        let tokens = try ChatTemplate(text).tokensWithAssistant(turns, tokenizer: tokenizer)
        #expect(tokens.assistant.map { tokenizer.decode(tokens.ids[$0]) } == ["the answer</assistant>", "é日</assistant>"])
        let forgetful = try ChatTemplate("{% for m in messages %}{{ m.content if loop.last or m.role == 'user' else '-' }};{% endfor %}")
        let error = #expect(throws: ModelFileError.self) { try forgetful.tokensWithAssistant(turns, tokenizer: tokenizer) }
        #expect(error.map { "\($0)" }?.contains("writes turn 2 otherwise") == true)
        #expect(try forgetful.tokensWithAssistant(Array(turns.prefix(2)), tokenizer: tokenizer).assistant.count == 1)
    }

    @Test("A conversation's tokens hold no special token but those that the template writes")
    func specialTokens() throws {
        let tokenizer = try TokenizerFixture(base: "llama31").tokenizer()
        let template = try ChatTemplate("{{ messages[0].content }}")
        #expect(try template.tokens([.user("the end")], tokenizer: tokenizer) == tokenizer.encode("the end", addsSpecialTokens: false))
    }
}
