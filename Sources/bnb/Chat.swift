import ArgumentParser
import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsTune
import CLexicon

/// `bnb chat`: a conversation with a model, a line for a turn.
struct Chat: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Talk with a model that was made for conversations.",
        discussion: """
            Every line of standard input is a turn, and the answer to it goes to standard output as it is written; the model sees the whole conversation. \
            Ctrl-C stops an answer, Ctrl-D ends. Lines that begin with / are for the command: /reset forgets the conversation, /system TEXT begins anew \
            with another system prompt, /exit ends, /help tells.
            """)

    @OptionGroup var model: ModelOptions

    @Option(help: ArgumentHelp("What the model is told before the conversation. (default: what its template says)", valueName: "text"))
    var system: String?

    @OptionGroup var template: TemplateOptions

    @OptionGroup var drawing: DrawingOptions

    private static let help = """
        /reset         forget the conversation
        /system TEXT   begin anew, with TEXT as system prompt
        /exit          end, as Ctrl-D does
        Ctrl-C stops an answer.

        """

    func run() throws {
        clexicon_link()
        // Before the model is loaded, which may take a while.
        let template = try template.template(try model.source.folder())
        let (folder, loaded) = try model.load(announcing: false)
        let completion = TextCompletion(loaded, tokenizer: try Tokenizer(folder))
        Console.warn(completion.warning.map { [$0] } ?? [])
        let chat = ChatCompletion(completion, template: template)
        let options = try drawing.options(loaded.generation, defaultLength: loaded.model.contextLength)
        let kept = KeptText()
        var conversation = Conversation(system: system)
        while let line = Console.readLine(prompt: "> ") {
            switch Turn(line) {
            case .nothing: continue
            case .exit: return
            case .help: Console.note(Chat.help)
            case .reset: conversation = Conversation(system: conversation.system)
            case .system(let text): conversation = Conversation(system: text)
            case .unknown(let command): Console.note("bnb: there is no '\(command)'; /help tells what there is\n")
            case .text(let text): try answer(text, in: &conversation, chat, options, keeping: kept)
            }
        }
        if Console.isTyped { Console.note("\n") }
    }

    /// Has a turn answered. What the model or its template refuses is told, and the turn is taken back; with nobody there to see that, it ends the command.
    private func answer(
        _ text: String, in conversation: inout Conversation, _ chat: ChatCompletion, _ options: GenerationOptions, keeping kept: KeptText
    ) throws {
        let messages = conversation.messages + [.user(text)]
        do {
            let (result, wasStopped) = try Console.stoppable {
                try chat(
                    messages, options: options, keeping: kept, onText: { (text) throws(ModelFileError) in try Console.write(text) },
                    while: { Console.interruption == nil })
            }
            try Console.writeLine("")
            if Console.interruption != nil { throw Failure(.file, "interrupted") }
            if wasStopped { Console.note("bnb: stopped\n") }
            conversation.messages = messages + [.assistant(result.text)]
        } catch let error as GenerationError where Console.isTyped {
            Console.note("bnb: \(error)\(error.isOfLength ? "; /reset begins anew" : "")\n")
        } catch let error as ModelFileError where Console.isTyped && error.isRefusal {
            Console.note("bnb: \("\(error)".printable)\n")
        }
    }

    /// What was said, a system prompt first where there is one.
    private struct Conversation {
        let system: String?
        var messages: [ChatMessage]

        init(system: String?) {
            self.system = system
            messages = system.map { [.system($0)] } ?? []
        }
    }

    /// What a line asks for.
    private enum Turn {
        case text(String)
        case nothing
        case reset
        case system(String)
        case exit
        case help
        case unknown(String)

        init(_ line: String) {
            guard line.hasPrefix("/") else {
                self = line.allSatisfy(\.isWhitespace) ? .nothing : .text(line)
                return
            }
            let words = line.split(separator: " ", maxSplits: 1).map(String.init)
            switch (words[0], words.count) {
            case ("/reset", 1): self = .reset
            case ("/system", 2): self = .system(words[1])
            case ("/exit", 1), ("/quit", 1): self = .exit
            case ("/help", 1): self = .help
            default: self = .unknown(words[0])
            }
        }
    }
}

extension GenerationError {
    fileprivate var isOfLength: Bool { if case .promptTooLong = self { true } else { false } }
}

extension ModelFileError {
    /// Whether the template, not the system, said no.
    fileprivate var isRefusal: Bool { if case .malformed = self { true } else { false } }
}
