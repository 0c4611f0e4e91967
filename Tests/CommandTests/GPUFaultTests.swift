import Foundation
import Testing

/// What the command does when a GPU, its memory or the cache of its kernels fails: on a driver that computes nothing, so that no GPU is needed.
@Suite("Faults of a GPU")
struct GPUFaultTests {
    private let gpu: FakeGPU
    private let model: TinyModel
    private let scratch: Scratch
    private var cache: String { "\(scratch.path)/cache" }
    private var run: String { "\(scratch.path)/run" }

    init() throws {
        (gpu, model, scratch) = (try FakeGPU(), try TinyModel(), try Scratch())
        let lines = (0..<12).map { "{\"prompt\": \"Question \($0)?\", \"completion\": \" answer \($0 % 3)\"}" }
        try scratch.write(lines.joined(separator: "\n"), as: "data.jsonl")
    }

    /// A short piece of work on the GPU.
    private func quantize(_ settings: [String: String] = [:], cache: String? = nil) throws -> Outcome {
        let output = "\(scratch.path)/nf4"
        try? FileManager.default.removeItem(atPath: output)
        return try Command.run(
            ["quantize", "--to", "nf4", "--model", model.path, "--output", output, "--device", "cuda"],
            environment: gpu.environment(cache: cache ?? self.cache, settings))
    }

    private func train(_ options: [String], _ settings: [String: String] = [:], device: String = "cuda") throws -> Outcome {
        let arguments = ["train", "--model", model.path, "--data", "\(scratch.path)/data.jsonl", "--output", run, "--batch-size", "2"]
        return try Command.run(
            arguments + ["--lora-rank", "2", "--device", device] + options, environment: gpu.environment(cache: cache, settings))
    }

    /// The files in the cache, by name, but for what a process was writing as it ended: the next one that writes such a file removes it.
    private var kept: [String: Data] {
        get throws {
            let names = ((try? FileManager.default.contentsOfDirectory(atPath: cache)) ?? []).filter { !$0.hasPrefix(".") }
            return Dictionary(uniqueKeysWithValues: try names.map { ($0, try Data(contentsOf: URL(fileURLWithPath: "\(cache)/\($0)"))) })
        }
    }

    /// One line that begins as all errors do.
    private func expectOneLine(_ outcome: Outcome, status: Int32, _ words: String...) {
        #expect(outcome.status == status, "\(outcome.errors)")
        let lines = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("bnb: ") }
        #expect(lines.count == 1, "\(outcome.errors)")
        for word in words { #expect(outcome.errors.contains(word), "\(word): \(outcome.errors)") }
    }

    @Test("doctor tells of a GPU without NVRTC where its kernels come from, and it is used by itself")
    func found() throws {
        let outcome = try Command.run(["doctor"], environment: gpu.environment(cache: cache))
        for words in ["driver speaks CUDA 12.0", "kernels from PTX that is built in, as BNB_NVRTC says", "cuda:0 Fake GPU, compute capability 9.0"] {
            #expect(outcome.output.contains(words), "\(outcome.output)")
        }
        #expect(outcome.output.contains("cpu is used with --device cpu"))
        // What is named and cannot be loaded is told.
        #expect(outcome.output.contains("without cuBLASLt: BNB_CUBLASLT is '/none': "), "\(outcome.output)")
    }

    @Test("doctor shows what a GPU is set by, and where its kernels are kept; without a driver neither a cache nor what is empty")
    func settings() throws {
        #expect(try quantize().status == 0)
        let byteCount = try kept.values.reduce(0) { $0 + $1.count }
        let environment = gpu.environment(cache: cache).merging(["BNB_CUDA_WAIT": "1", "CUDA_VISIBLE_DEVICES": ""]) { $1 }
        let found = try Command.run(["doctor", "--json"], environment: environment).json
        let settings = try #require(found["environment"] as? [String: String])
        for name in ["BNB_CUDA_DRIVER", "BNB_NVRTC", "BNB_CUBLASLT", "BNB_CUDA_CACHE", "BNB_CUDA_WAIT", "CUDA_VISIBLE_DEVICES"] {
            #expect(settings[name] == environment[name], "\(name)")
        }
        let folder = try #require(found["kernel_cache"] as? [String: Any])
        #expect(folder["path"] as? String == cache && folder["bytes"] as? Int == byteCount && byteCount > 0)
        let text = try Command.run(["doctor"], environment: environment).output
        #expect(text.contains("BNB_CUDA_WAIT=1, BNB_NVRTC=off") && text.contains("gpu cache  \(cache), "), "\(text)")

        let without = try Command.run(["doctor", "--json"], environment: ["BNB_CUDA_DRIVER": "/none/libcuda.so", "BNB_CUDA_WAIT": ""]).json
        #expect(without["kernel_cache"] is NSNull)
        #expect((without["environment"] as? [String: String])?["BNB_CUDA_DRIVER"] == "/none/libcuda.so")
        #expect((without["environment"] as? [String: String])?["BNB_CUDA_WAIT"] == nil)
    }

    @Test("a driver that is too old, or is none, is told by name; without --device the processor takes its place, and a word says so")
    func unsuitableDrivers() throws {
        let old = "the driver speaks CUDA 11.4, and 12.0 is the oldest that will do; install driver 525"
        expectOneLine(try quantize(["VERSION": "11040"]), status: 69, old)
        let compiler = try #require(gpu.environmentWithCompiler(cache: cache, isNamed: true)["BNB_NVRTC"])
        let environment = gpu.environment(cache: cache).merging(["BNB_CUDA_DRIVER": compiler]) { $1 }
        let words = "BNB_CUDA_DRIVER is '\(compiler)': it is no driver of NVIDIA's"
        let arguments = ["quantize", "--to", "nf4", "--model", model.path, "--output", "\(scratch.path)/nf4"]
        expectOneLine(try Command.run(arguments + ["--device", "cuda"], environment: environment), status: 69, words)
        expectOneLine(try Command.run(arguments, environment: environment), status: 0, words, "the processor is used")
    }

    @Test("an NVRTC that is newer than the driver is not used, but the PTX that is built in; doctor says so, and what to install")
    func newerCompiler() throws {
        func quantize(_ environment: [String: String]) throws -> Outcome {
            let output = "\(scratch.path)/\(UInt64.random(in: 0 ... .max))"
            return try Command.run(
                ["quantize", "--to", "nf4", "--model", model.path, "--output", output, "--device", "cuda"], environment: environment)
        }
        let older = try gpu.environmentWithCompiler(cache: cache, ["VERSION": "12080"])
        #expect(try quantize(older).status == 0)
        let text = try Command.run(["doctor"], environment: older).output
        for words in ["kernels from PTX", "it is of CUDA 13, and the driver speaks CUDA 12.8", "`pip install nvidia-cuda-nvrtc-cu12`"] {
            #expect(text.contains(words), "\(text)")
        }
        let named = try gpu.environmentWithCompiler(cache: cache, isNamed: true, ["VERSION": "12080"])
        expectOneLine(try quantize(named), status: 69, "BNB_NVRTC is", "it is of CUDA 13, and the driver speaks CUDA 12.8")
        let newer = try gpu.environmentWithCompiler(cache: cache, ["VERSION": "13000"])
        #expect(try quantize(newer).status == 0)
        #expect(try Command.run(["doctor"], environment: newer).output.contains("kernels compiled by NVRTC 13.0"))
    }

    @Test("a GPU that is too old is refused at once by name, shown as such, and not taken by itself")
    func oldGPU() throws {
        let sentence = "it has compute capability 6.1, and 7.5 is the oldest that will do"
        expectOneLine(try quantize(["CAPABILITY": "61"]), status: 69, "'cuda:0' cannot be used: \(sentence)")
        let environment = gpu.environment(cache: cache, ["CAPABILITY": "61"])
        let output = try Command.run(["doctor"], environment: environment).output
        #expect(output.contains("cpu is used\n") && output.contains("cannot be used: \(sentence)"), "\(output)")
        let generated = try Command.run(["generate", "--model", model.path, "--prompt", "a", "--max-new-tokens", "2"], environment: environment)
        #expect(generated.status == 0, "\(generated.errors)")
    }

    @Test("doctor shows a GPU that another process has for itself beside one that is free, whichever is asked for", arguments: [0, 1])
    func busyGPU(busy: Int) throws {
        let environment = gpu.environment(cache: cache, ["COUNT": "2", "BUSY": "\(busy)"])
        for arguments in [["doctor", "--json"], ["doctor", "--json", "--device", "cuda:\(busy)"]] {
            let outcome = try Command.run(arguments, environment: environment)
            #expect(outcome.status == 0, "\(outcome.errors)")
            let devices = try #require(outcome.json["devices"] as? [[String: Any]])
            for number in 0..<2 {
                let found = try #require(devices.first { $0["name"] as? String == "cuda:\(number)" })
                #expect(found["available"] as? Bool == (number != busy))
                #expect((found["note"] as? String)?.contains("cannot be used: ") == (number == busy), "\(found)")
            }
        }
        let arguments = ["quantize", "--to", "nf4", "--model", model.path, "--output", "\(scratch.path)/nf4", "--device"]
        expectOneLine(try Command.run(arguments + ["cuda:\(busy)"], environment: environment), status: 69, "'cuda:\(busy)' cannot be used")
        expectOneLine(try Command.run(arguments + ["cuda:2"], environment: environment), status: 69, "there are 2, cuda:0 to cuda:1")
    }

    @Test(
        "without --device the first GPU that can be used is taken, and a line says why it is not the first",
        arguments: [
            (["COUNT": "3", "CAPABILITY": "61,70,80"], 2, ["'cuda:0' cannot be used: it has compute capability 6.1", "; device 'cuda:1' cannot"]),
            (["COUNT": "2", "BUSY": "0"], 1, ["'cuda:0' cannot be used"]), (["COUNT": "2", "CAPABILITY": "90,61"], 0, []),
        ])
    func laterGPU(settings: [String: String], used: Int, reasons: [String]) throws {
        let log = "\(scratch.path)/launches"
        let environment = gpu.environment(cache: cache, settings.merging(["LAUNCHES": log]) { $1 })
        let arguments = ["quantize", "--to", "nf4", "--model", model.path, "--output", "\(scratch.path)/nf4"]
        let outcome = try Command.run(arguments, environment: environment)
        #expect(outcome.status == 0 && FileManager.default.contents(atPath: log)?.isEmpty == false, "\(outcome.errors)")
        let remarks = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("bnb: cuda:\(used) is used: device ") }
        #expect(remarks.count == (reasons.isEmpty ? 0 : 1), "\(outcome.errors)")
        for reason in reasons { #expect(remarks.first?.contains(reason) == true, "\(outcome.errors)") }
        let text = try Command.run(["doctor"], environment: environment).output
        let marked = text.split(separator: "\n").filter { $0.hasSuffix(", is used") }
        #expect(marked.count == 1 && marked[0].hasPrefix("device     cuda:\(used) ") && text.contains("cpu is used with --device cpu"), "\(text)")
    }

    @Test("without --device the processor takes no GPU's place that is new enough and busy; beside one that is too old the error is its own")
    func busyGPUs() throws {
        let environment = gpu.environment(cache: cache, ["COUNT": "2", "CAPABILITY": "61,90", "BUSY": "1"])
        let arguments = ["quantize", "--to", "nf4", "--model", model.path, "--output", "\(scratch.path)/nf4"]
        expectOneLine(try Command.run(arguments, environment: environment), status: 69, "'cuda:1' cannot be used")
        #expect(try Command.run(["doctor"], environment: environment).output.contains("cpu is used with --device cpu"))
    }

    @Test("an NVRTC that is named and is none is told, in doctor and where a kernel is wanted")
    func namedCompiler() throws {
        let environment = gpu.environment(cache: cache).merging(["BNB_NVRTC": "/none/libnvrtc.so"]) { $1 }
        let outcome = try Command.run(["doctor"], environment: environment)
        #expect(outcome.output.contains("cannot be used: BNB_NVRTC is '/none/libnvrtc.so'"), "\(outcome.output)")
        let arguments = ["quantize", "--to", "nf4", "--model", model.path, "--output", "\(scratch.path)/nf4", "--device", "cuda"]
        expectOneLine(try Command.run(arguments, environment: environment), status: 69, "BNB_NVRTC is '/none/libnvrtc.so'")
    }

    @Test("doctor --large says what it leaves out for want of memory, and does not call that sound")
    func large() throws {
        let outcome = try Command.run(["doctor", "--large"], environment: gpu.environment(cache: cache))
        expectOneLine(outcome, status: 69, "nothing was compared", "cuda:0 has no room")
        let lines = outcome.output.split(separator: "\n")
        #expect(
            lines.count == 10 && lines.allSatisfy { $0.contains(/^left out \w+: it takes [\d.]+ GB, and 1.\d+ GB are free$/) }, "\(outcome.output)")
        let environment = gpu.environment(cache: cache).merging(["BNB_CUDA_DRIVER": "/none/libcuda.so"]) { $1 }
        expectOneLine(try Command.run(["doctor", "--large", "--device", "cuda"], environment: environment), status: 69, "BNB_CUDA_DRIVER")
        expectOneLine(try Command.run(["doctor", "--large", "--kernel", "fil"]), status: 64, "no kernel 'fil'")
    }

    @Test("machine code of the PTX is kept, used again, and made again where a file is damaged")
    func cacheOfKernels() throws {
        let log = ["LOG": "\(scratch.path)/log"]
        for _ in 0..<2 { #expect(try quantize(log).status == 0) }
        let first = try kept
        #expect(!first.isEmpty && first.keys.allSatisfy { $0.contains("-sm_90a-") && $0.hasSuffix(".cubin") }, "\(first.keys)")
        for (index, name) in first.keys.sorted().enumerated() {
            let bytes = try #require(first[name])
            let damaged = [Data(), bytes.dropLast(7), bytes + [0], Data(bytes.reversed())][index % 4]
            try damaged.write(to: URL(fileURLWithPath: "\(cache)/\(name)"))
        }
        for _ in 0..<2 { #expect(try quantize(log).status == 0) }
        let counts = try scratch.data("log").split(separator: UInt8(ascii: "\n")).map { Int(String(decoding: $0, as: UTF8.self)) ?? -1 }
        #expect(counts.count == 4 && counts[0] > 0 && counts[1] == 0 && counts[2] > 0 && counts[3] == 0, "\(counts)")
        #expect(try kept.contains { $0.value == first[$0.key] })
    }

    @Test("a cache that cannot be made costs time, nothing else", arguments: ["/dev/null/cache", "/proc/cache"])
    func unwritableCache(path: String) throws {
        let outcome = try quantize(cache: path)
        #expect(outcome.status == 0, "\(outcome.errors)")
    }

    @Test(
        "a disk that is full before a kernel is on it, or in the middle of one, costs time, nothing else, and no part of a file is left there",
        arguments: [0, 1])
    func fullDisk(blocks: Int) throws {
        try scratch.write("hello world, this is a text", as: "text.txt")
        let log = ["LOG": "/dev/stderr"]
        let environment = gpu.environment(cache: cache, log).map { "\($0)='\($1)'" }.joined(separator: " ")
        let options = "--model \"$1\" --text \"$2\" --window 16 --device cuda"
        // The limit on the size of a file stands in for a disk of that size; what is printed goes to pipes, which have none.
        let line = "(ulimit -f \(blocks); \(environment) \"$0\" evaluate \(options) 2>&1 && echo well) | cat"
        for _ in 0..<2 {
            let outcome = try Command.run(shell: line, [Command.path, model.path, "\(scratch.path)/text.txt"])
            let lines = outcome.output.split(separator: "\n")
            #expect(lines.last == "well", "\(outcome.output)")
            // The second run finds no more than the first; and each removes what it could not write, but for what it was writing as it ended.
            let made = lines.compactMap { Int($0) }.max() ?? 0
            #expect(try made > 0 && kept.isEmpty, "\(outcome.output)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: cache).count < made / 2)
        }
    }

    @Test("two processes fill a cache at once, and both are served")
    func sharedCache() throws {
        let environment = gpu.environment(cache: cache).map { "\($0)='\($1)'" }.joined(separator: " ")
        let command = "\(environment) \"$0\" quantize --to nf4 --model \"$1\" --device cuda --output"
        let outcome = try Command.run(
            shell: "\(command) \"$2/a\" & first=$!; \(command) \"$2/b\" & second=$!; wait $first && wait $second",
            [Command.path, model.path, scratch.path])
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(try kept.keys.contains { $0.hasSuffix(".cubin") })
        #expect(try quantize(["LOG": "\(scratch.path)/log"]).status == 0)
        #expect(try String(decoding: scratch.data("log"), as: UTF8.self) == "0\n")
    }

    @Test("PTX that the driver refuses is told in the driver's words")
    func refusedPTX() throws {
        expectOneLine(try quantize(["REFUSES": "1"]), status: 69, "CUDA_ERROR_INVALID_PTX", "Unsupported .version 8.0")
    }

    @Test("memory that runs out as a model is loaded, or in a step, is one error that says what was wanted", arguments: ["200000", "1000000"])
    func memory(byteCount: String) throws {
        expectOneLine(try train(["--steps", "2"], ["MEMORY": byteCount]), status: 71, "cuda:0 could not allocate", "it holds weights")
    }

    @Test("pinned host memory that runs out is the host's, and one error that says what limits it")
    func pinnedMemory() throws {
        expectOneLine(try quantize(["PINNED": "1000000"]), status: 71, "bytes of pinned host memory", "ulimit -l")
    }

    @Test("a GPU that fails in the middle of a run ends it with one message; the last checkpoint is whole, and the run goes on from it")
    func lostDevice() throws {
        let whole = try train(["--steps", "40", "--save-every", "5"], ["FAILS": "4000"])
        expectOneLine(whole, status: 69, "cuda:0 stopped", "CUDA_ERROR_ILLEGAL_ADDRESS")
        let names = try FileManager.default.contentsOfDirectory(atPath: run)
        #expect(names.contains { $0.hasPrefix("checkpoint-") } && !names.contains { $0.contains("tmp") }, "\(names)")
        let rest = try train(["--steps", "40", "--save-every", "5", "--resume"])
        #expect(rest.status == 0 && rest.errors.contains("going on after step"), "\(rest.errors)")
    }

    @Test("a run on a GPU that is interrupted saves and says how to go on")
    func interrupted() throws {
        let arguments = ["train", "--model", model.path, "--data", "\(scratch.path)/data.jsonl", "--output", run, "--device", "cuda"]
        let outcome = try Command.run(
            arguments + ["--steps", "100000"], environment: gpu.environment(cache: cache),
            when: { _ in FileManager.default.contents(atPath: "\(run)/log.jsonl")?.count ?? 0 > 200 }, { kill($0.processIdentifier, SIGINT) })
        #expect(outcome.status == 128 + SIGINT, "\(outcome.errors)")
        #expect(outcome.errors.contains("bnb: interrupted after step") && outcome.errors.contains("--resume"), "\(outcome.errors)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: run).contains { $0.hasPrefix("checkpoint-") })
    }
}
