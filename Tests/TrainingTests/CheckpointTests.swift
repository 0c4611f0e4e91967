import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsOptim
import BitsSystem
import Testing
import _BitsTestSupport

@testable import BitsTune

@Suite("Checkpoints of a run")
struct CheckpointTests {
    private static var options: TrainingOptions {
        var options = RunFixture.options
        (options.saveEvery, options.evaluateEvery) = (3, 2)
        return options
    }

    /// The files that a run leaves that is not stopped.
    private func uninterrupted(_ options: TrainingOptions = CheckpointTests.options) throws -> [String: [UInt8]] {
        let scratch = try TemporaryFolder()
        let run = try RunFixture(options, folder: "\(scratch.path)/run", evaluates: true)
        #expect(try run.trainer.run().end == .finished)
        return try RunFixture.files("\(scratch.path)/run")
    }

    /// Stops a run at a step, and lets another one go on in its folder.
    private func resumed(
        from path: String, stoppingAt stop: Int, _ options: TrainingOptions = CheckpointTests.options, between: () throws -> Void = {}
    ) throws -> (step: Int, passedOver: [String]) {
        do {
            let run = try RunFixture(options, folder: path, evaluates: true)
            run.trainer.observers.append { [unowned trainer = run.trainer] in
                if case .step(let step) = $0, step.step == stop { trainer.stop() }
            }
            #expect(try run.trainer.run().end == .stopped)
        }
        try between()
        let run = try RunFixture(options, folder: path, evaluates: true)
        let resumption = try run.trainer.resume()
        #expect(try run.trainer.run().end == .finished)
        return resumption
    }

    @Test("A run that was stopped and goes on leaves the bytes of one that was not", arguments: [2, 3, 5, 6])
    func resuming(stop: Int) throws {
        let expected = try uninterrupted()
        #expect(expected.keys.contains("checkpoint-8/adapter_model.safetensors") && expected.keys.contains("checkpoint-3/manifest.json"))
        let scratch = try TemporaryFolder()
        #expect(try resumed(from: scratch.path, stoppingAt: stop).step == stop)
        let found = try RunFixture.files(scratch.path)
        for (name, bytes) in expected { #expect(found[name] == bytes, "\(name)") }
    }

    @Test(
        "So does one in other batches, with another rule and without an adapter's dropout",
        arguments: [BatchPlan(.tokens(20)), BatchPlan(.examples(3), pads: true, groupsByLength: true)])
    func otherRuns(plan: BatchPlan) throws {
        var options = CheckpointTests.options
        (options.batches, options.rule, options.recomputesBlocks) = (plan, AdEMAMix(learningRate: 1e-3), true)
        let (expected, scratch) = (try uninterrupted(options), try TemporaryFolder())
        #expect(try resumed(from: scratch.path, stoppingAt: 3, options).step == 3)
        let found = try RunFixture.files(scratch.path)
        for (name, bytes) in expected { #expect(found[name] == bytes, "\(name)") }
    }

    @Test(
        "A checkpoint that is damaged, cut off, incomplete or without a manifest is passed over, and made again",
        arguments: ["damaged", "cut", "missing", "unlisted", "no manifest", "no JSON"])
    func damaged(how: String) throws {
        let (expected, scratch) = (try uninterrupted(), try TemporaryFolder())
        let newest = "\(scratch.path)/checkpoint-6"
        let resumption = try resumed(from: scratch.path, stoppingAt: 6) {
            let file = "\(newest)/optimizer.safetensors"
            var bytes = try FileSystem.contents(of: file)
            switch how {
            case "damaged": bytes[bytes.count / 2] ^= 1
            case "cut": bytes.removeLast()
            case "missing": FileSystem.removeFile(file)
            case "unlisted": try AtomicFile.write([], to: "\(newest)/other")
            case "no manifest": FileSystem.removeFile("\(newest)/manifest.json")
            default: try AtomicFile.write([1], to: "\(newest)/manifest.json")
            }
            if ["damaged", "cut"].contains(how) { try AtomicFile.write(bytes, to: file) }
        }
        #expect(resumption.step == 3 && resumption.passedOver.count == 1)
        #expect(resumption.passedOver[0].hasPrefix("\(newest) is passed over: "), "\(resumption.passedOver)")
        let found = try RunFixture.files(scratch.path)
        for (name, bytes) in expected { #expect(found[name] == bytes, "\(name)") }
    }

    @Test("Without a checkpoint that is whole a run begins at its beginning")
    func none() throws {
        let (expected, scratch) = (try uninterrupted(), try TemporaryFolder())
        try scratch.write("x", as: ".checkpoint-3.999999999-a.partial/weights.safetensors")
        try scratch.write("x", as: "checkpoint-3/weights.safetensors")
        let run = try RunFixture(CheckpointTests.options, folder: scratch.path, evaluates: true)
        let resumption = try run.trainer.resume()
        #expect(resumption.step == 0 && resumption.passedOver.count == 1)
        try run.trainer.run()
        #expect(try RunFixture.files(scratch.path) == expected)
    }

    @Test("A checkpoint of another run is refused with what differs, and nothing is changed")
    func otherSettings() throws {
        let scratch = try TemporaryFolder()
        do { try RunFixture(CheckpointTests.options, folder: scratch.path).trainer.run() }
        var options = CheckpointTests.options
        (options.rule, options.accumulation, options.keptCheckpoints) = (AdamW(learningRate: 0.5), 1, 2)
        do {
            let other = try RunFixture(options, folder: scratch.path)
            let before = try other.values()
            let error = #expect(throws: TrainingError.self) { try other.trainer.resume() }
            let text = "\(try #require(error))"
            for part in ["checkpoint-8: is of another run", "rule: ", "learningRate: 0.001 there, 0.5 here", "accumulation: 2 there, 1 here"] {
                #expect(text.contains(part), "\(text)")
            }
            #expect(!text.contains("seed"))
            #expect(try other.values() == before && other.trainer.progress == TrainingProgress())
        }
        let others = try RunFixture(CheckpointTests.options, folder: scratch.path, examples: 12)
        #expect("\(try #require(#expect(throws: TrainingError.self) { try others.trainer.resume() }))".contains("data: other examples"))
    }

    @Test("A run that is over takes no step when it is gone on with, and tells what its last evaluation came to")
    func over() throws {
        let scratch = try TemporaryFolder()
        func summary() throws -> TrainingSummary {
            let run = try RunFixture(CheckpointTests.options, folder: scratch.path, evaluates: true)
            _ = try run.trainer.resume()
            return try run.trainer.run()
        }
        let (first, second) = (try summary(), try summary())
        #expect(first.tokens > 0 && second.tokens == 0 && first.progress == second.progress && first.loss == second.loss)
        #expect(second.evaluation == first.evaluation && second.evaluation?.step == 8)
    }

    @Test(
        "A model of the same shapes with another weight, or with one in another form, is not the one that a run goes on with",
        arguments: ["token vectors", "norm", "form", "scales"])
    func otherModel(what: String) throws {
        let scratch = try TemporaryFolder()
        do { try RunFixture(CheckpointTests.options, folder: scratch.path).trainer.run() }
        let other = try RunFixture(CheckpointTests.options, folder: scratch.path) { model in
            let table = try #require(model.backbone.embedding as? Embedding)
            switch what {
            case "token vectors": table.weight.value = table.weight.value * 2
            case "form": table.weight.value = table.weight.value.cast(to: .float16)
            case "norm":
                let norm = try #require(model.namedParameters().first { $0.path.hasSuffix("norm.weight") }).parameter
                norm.value = norm.value * 2
            default:
                model.replaceModules { _, module in
                    (module as? Linear4bit).flatMap {
                        try? Linear4bit(Linear(weight: Parameter($0.weightMatrix(.float32) * 2)), doubleQuantization: true)
                    }
                }
            }
        }
        let error = #expect(throws: TrainingError.self) { try other.trainer.resume() }
        let text = "is of another run; go on with its settings, or name another folder: model: another one, or in another form"
        #expect("\(try #require(error))".contains(text))
    }

    @Test(
        "Nor is an adapter with other settings the one that it goes on with",
        arguments: [
            (LoRAConfiguration(rank: 2, alpha: 40, dropout: 0.2), "alpha: 4.0 there, 40.0 here"),
            (LoRAConfiguration(rank: 2, alpha: 4, dropout: 0.5), "dropout: 0.2 there, 0.5 here"),
            (LoRAConfiguration(rank: 2, alpha: 4, dropout: 0.2, isRankStabilized: true), "isRankStabilized: false there, true here"),
        ])
    func otherAdapter(adapter: LoRAConfiguration, difference: String) throws {
        let scratch = try TemporaryFolder()
        do { try RunFixture(CheckpointTests.options, folder: scratch.path).trainer.run() }
        let other = try RunFixture(CheckpointTests.options, folder: scratch.path, adapter: adapter)
        let error = #expect(throws: TrainingError.self) { try other.trainer.resume() }
        #expect("\(try #require(error))".hasSuffix("adapter: \(difference)"), "\(String(describing: error))")
    }

    @Test("The newest checkpoints stay, and the best one")
    func retention() throws {
        let scratch = try TemporaryFolder()
        var options = CheckpointTests.options
        (options.saveEvery, options.keptCheckpoints, options.keepsBest, options.evaluateEvery) = (1, 2, true, 1)
        (options.rule, options.stopsWhenDiverging) = (AdamW(learningRate: 3, weightDecay: 0), false)
        let run = try RunFixture(options, folder: scratch.path, evaluates: true)
        let best = try #require(try run.trainer.run().progress.best)
        #expect(best.step < 7)
        #expect(try FileSystem.names(in: scratch.path) == [best.step, 7, 8].map { "checkpoint-\($0)" })
    }

    @Test("A checkpoint that was to be removed when the process was killed is removed when its run goes on, even if that is over")
    func leftover() throws {
        let scratch = try TemporaryFolder()
        var options = CheckpointTests.options
        (options.saveEvery, options.keptCheckpoints) = (1, 2)
        do { try RunFixture(options, folder: scratch.path).trainer.run() }
        try scratch.write("x", as: "checkpoint-6/weights.safetensors")
        #expect(try RunFixture(options, folder: scratch.path).trainer.resume().step == 8)
        #expect(try FileSystem.names(in: scratch.path) == ["checkpoint-7", "checkpoint-8"])
    }

    @Test("A folder is one run's at a time")
    func lock() throws {
        let scratch = try TemporaryFolder()
        do {
            let folder = try RunFolder(path: scratch.path)
            let error = #expect(throws: ModelFileError.self) { try RunFolder(path: scratch.path) }
            #expect("\(try #require(error))".contains("is in use by another run"))
            #expect(folder.isEmpty)
        }
        _ = try RunFolder(path: scratch.path)
    }

    @Test("An interruption ends a run after its step, with a checkpoint to go on from", arguments: [SIGINT, SIGTERM])
    func interruption(signal: Int32) async throws {
        await #expect(processExitsWith: .exitCode(7)) { [signal] in
            ProcessSignals.letWritesClearUp()
            let scratch = try TemporaryFolder()
            let expected = try CheckpointTests().uninterrupted()
            let run = try RunFixture(CheckpointTests.options, folder: scratch.path, evaluates: true)
            run.trainer.observers.append {
                if case .step(let step) = $0, step.step == 4 { interrupt(signal) }
            }
            let summary = try run.trainer.run()
            let found = try RunFixture.files(scratch.path)
            let isInOrder =
                summary.end == .stopped && summary.progress.step == 4 && found["checkpoint-4/manifest.json"] != nil
                && found["checkpoint-3/weights.safetensors"] == expected["checkpoint-3/weights.safetensors"]
            FileSystem.removeFolder(scratch.path)
            exit(isInOrder ? 7 : 1)
        }
    }

    @Test("Where a checkpoint cannot be written the run ends with the reason, and those before are whole")
    func fullDisk() async throws {
        await #expect(processExitsWith: .exitCode(7)) {
            ProcessSignals.letWritesClearUp()
            let scratch = try TemporaryFolder()
            let run = try RunFixture(CheckpointTests.options, folder: scratch.path)
            run.trainer.observers.append {
                guard case .step(let step) = $0, step.step == 5 else { return }
                var limit = rlimit(rlim_cur: 4096, rlim_max: 4096)
                unsafe setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            }
            do { try run.trainer.run() } catch {
                let isInOrder =
                    try "\(error)".contains("File too large") && FileSystem.names(in: scratch.path) == ["checkpoint-3"]
                    && CheckpointManifest.objection(to: "\(scratch.path)/checkpoint-3") == nil
                FileSystem.removeFolder(scratch.path)
                exit(isInOrder ? 7 : 1)
            }
        }
    }

    @Test("Where a step gets no memory the run ends with the reason, its checkpoints are whole, and it goes on from them to the same bytes")
    func noMemory() async throws {
        await #expect(processExitsWith: .exitCode(7)) {
            var options = RunFixture.options
            (options.saveEvery, options.duration, options.accumulation) = (1, .steps(3), 1)
            options.batches = BatchPlan(.examples(4), shuffles: false)
            // The third batch is larger than all memory that is left, a region of the allocator included.
            let lengths = [Int](repeating: 6, count: 8) + [Int](repeating: 5000, count: 4)
            let examples = lengths.map { TokenizedExample(ids: (0..<Int32($0)).map { $0 % 50 }, completionStart: 1) }
            func run(_ path: String) throws -> RunFixture { try RunFixture(options, folder: path, examples: examples) }
            let (whole, scratch) = (try TemporaryFolder(), try TemporaryFolder())
            try run(whole.path).trainer.run()
            var told: TrainingError?
            do {
                let stopped = try run(scratch.path)
                stopped.trainer.observers.append { if case .checkpoint(2, _) = $0 { try limitMemory(toMore: 24 << 20) } }
                do { try stopped.trainer.run() } catch let error as TrainingError { told = error }
                unlimitMemory()
            }
            guard case .failed(step: 2...3, .outOfMemory, checkpoint: "\(scratch.path)/checkpoint-2")? = told else { exit(1) }
            let names = try FileSystem.names(in: scratch.path)
            guard names == ["checkpoint-1", "checkpoint-2"] else { exit(2) }
            let rest = try run(scratch.path)
            guard try rest.trainer.resume() == (2, []) else { exit(3) }
            try rest.trainer.run()
            let isSame = try RunFixture.files(scratch.path) == RunFixture.files(whole.path)
            for folder in [whole, scratch] { FileSystem.removeFolder(folder.path) }
            exit(isSame ? 7 : 4)
        }
    }

    @Test("What came of a run appears with its last file last, in the place of what was there")
    func publishing() throws {
        let scratch = try TemporaryFolder()
        let folder = try RunFolder(path: scratch.path)
        for text in ["a", "b"] {
            try folder.publish(last: "config") { path in
                try FileSystem.makeFolder(path)
                for name in ["config", "weights"] { try AtomicFile.write(Array(text.utf8), to: "\(path)/\(name)") }
            }
            #expect(try scratch.names == ["config", "weights"])
            #expect(try scratch.text(of: "weights") == text)
        }
    }
}

/// Sends this thread a signal, which the test runner's threads block.
private func interrupt(_ signal: Int32) {
    var none = sigset_t()
    unsafe sigemptyset(&none)
    unsafe pthread_sigmask(SIG_SETMASK, &none, nil)
    raise(signal)
}

/// Lets this process have so many bytes more than it has.
private func limitMemory(toMore byteCount: UInt) throws {
    let pages = try #require(SystemFile.line(of: "/proc/self/statm")?.split(separator: " ").first.flatMap { UInt($0) })
    setMemoryLimit(pages * UInt(sysconf(Int32(_SC_PAGESIZE))) + byteCount)
}

private func unlimitMemory() { setMemoryLimit(rlim_t.max) }

private func setMemoryLimit(_ byteCount: UInt) {
    var limit = rlimit(rlim_cur: byteCount, rlim_max: rlim_t.max)
    unsafe setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
}
