import Foundation
import Testing

/// How the command ends when it is interrupted, or its files are.
@Suite struct SignalTests {
    @Test("an interrupted quantize leaves nothing behind and says so", arguments: [(SIGINT, 130), (SIGTERM, 143)] as [(Int32, Int32)])
    func interrupted(signal: Int32, status: Int32) throws {
        // Tables of 128 MB each, holes in the file, so that writing takes its time.
        let (model, scratch) = (try TinyModel(), try Scratch())
        let size = 1 << 27
        try model.change("config.json") { $0["vocab_size"] = 1 << 19 }
        let end = try model.weights().contents.count
        try model.changeHeader { entries in
            for (index, name) in ["model.embed_tokens.weight", "lm_head.weight"].enumerated() {
                entries["rest\(index)"] = entries[name]
                let start = end + index * size
                entries[name] = ["dtype": "F32", "shape": [1 << 19, 64], "data_offsets": [start, start + size]]
            }
        }
        let handle = try #require(FileHandle(forWritingAtPath: "\(model.path)/model.safetensors"))
        try handle.truncate(atOffset: handle.seekToEnd() + UInt64(2 * size))
        // Not before a file is being written: the folder alone is made and removed once beforehand, to see whether that can be done.
        let outcome = try Command.run(
            ["quantize", "--to", "nf4", "--model", model.path, "--output", "\(scratch.path)/m"],
            when: { _ in FileManager.default.enumerator(atPath: scratch.path)?.contains { ($0 as? String)?.contains("/") == true } == true },
            { kill($0.processIdentifier, signal) })
        #expect(outcome.status == status, "\(outcome.errors)")
        #expect(outcome.errors.contains("bnb: interrupted; nothing was left behind"))
        #expect(try scratch.names == [])
    }

    @Test("a model's file that is shortened while it is read is an error, not a silent end")
    func shortened() throws {
        // A model with tensors that are large enough to be read in place, and a text that takes seconds.
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../Sources/CLexicon/lexicon-5m")
        let scratch = try Scratch()
        for name in ["config.json", "model.safetensors", "tokenizer.json"] {
            try scratch.write(try Data(contentsOf: source.appendingPathComponent(name)), as: name)
        }
        let weights = "\(scratch.path)/model.safetensors"
        let outcome = try Command.run(
            ["evaluate", "--model", scratch.path],
            when: { process in
                (try? String(contentsOfFile: "/proc/\(process.processIdentifier)/maps", encoding: .utf8).contains(weights)) == true
            }, { _ in unsafe truncate(weights, 0) })
        #expect(outcome.status == 74, "\(outcome.errors)")
        #expect(outcome.errors.contains("bnb: \(weights) was shortened or failed while it was read; run again"))
    }

    @Test("a limit on the size of files is an error like a full disk")
    func fileLimit() throws {
        let (model, scratch) = (try TinyModel(), try Scratch())
        let outcome = try Command.run(
            shell: "ulimit -f 32; exec \"$0\" quantize --to nf4 --model \"$1\" --output \"$2\"", [Command.path, model.path, "\(scratch.path)/m"])
        #expect(outcome.status == 74, "\(outcome.errors)")
        #expect(outcome.errors.contains("cannot be written: File too large; nothing was left behind"))
        #expect(try scratch.names == [])
    }

    @Test(
        "with too little memory for the work there is one message and an exit code of its own",
        arguments: [["evaluate", "--windows", "8"], ["generate", "--prompt", "a"], ["quantize", "--to", "nf4", "--output"]])
    func memoryLimit(verb: [String]) throws {
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../Sources/CLexicon/lexicon-5m").path
        func run(_ arguments: [String], kilobytes: Int) throws -> Outcome {
            try Command.run(shell: "ulimit -v \(kilobytes); exec \"$0\" \"$@\"", [Command.path] + arguments)
        }
        // From what the process needs to start at all, upwards.
        var kilobytes = 30_000
        while try run(["--version"], kilobytes: kilobytes).status != 0 { kilobytes += kilobytes / 16 }
        var statuses: [Int32] = []
        while statuses.last != 0 {
            kilobytes += kilobytes / 16
            let scratch = try Scratch()
            let outcome = try run(verb + (verb[0] == "quantize" ? ["\(scratch.path)/m"] : []) + ["--model", source], kilobytes: kilobytes)
            statuses.append(outcome.status)
            if outcome.status == 0 { break }
            #expect(outcome.status == 71, "\(kilobytes) KB: \(outcome.errors)")
            #expect(outcome.errors.contains("memory") || outcome.errors.contains("could not allocate"), "\(kilobytes) KB: \(outcome.errors)")
            #expect(try scratch.names == [], "\(kilobytes) KB")
        }
        #expect(statuses.count > 1)
    }
}
