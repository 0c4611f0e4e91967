import BitsSystem
import Testing
import _BitsTestSupport

@Suite("Interruptions and files that vanish")
struct ProcessSignalsTests {
    @Test("An interruption makes an atomic write throw, and nothing is left behind")
    func interruptedWrite() async {
        await #expect(processExitsWith: .exitCode(7)) {
            ProcessSignals.letWritesClearUp()
            let scratch = try TemporaryFolder()
            func write() throws(FileError) {
                let folder = try AtomicFolder(path: "\(scratch.path)/model")
                try AtomicFile.write([1, 2, 3], to: "\(folder.workPath)/first")
                interrupt(SIGTERM)
                try AtomicFile.write([4], to: "\(folder.workPath)/second")
                try folder.commit()
            }
            do { try write() } catch let error as FileError {
                let isInOrder = try error.code == EINTR && ProcessSignals.interruption == SIGTERM && scratch.names == []
                FileSystem.removeFolder(scratch.path)
                exit(isInOrder ? 7 : 1)
            }
        }
    }

    @Test("An interruption outside of a write, and a second one, end the process")
    func otherInterruptions() async throws {
        await #expect(processExitsWith: .signal(SIGTERM)) {
            ProcessSignals.letWritesClearUp()
            let scratch = try TemporaryFolder()
            try AtomicFile.write([1], to: "\(scratch.path)/file")
            FileSystem.removeFolder(scratch.path)
            interrupt(SIGTERM)
        }
        await #expect(processExitsWith: .signal(SIGINT)) {
            ProcessSignals.letWritesClearUp()
            let file = try AtomicFile(path: "\(FileSystem.temporaryFolder)/bits-interrupted")
            interrupt(SIGINT)
            interrupt(SIGINT)
            try file.commit()
        }
        // What it left is gone with the next write.
        _ = try AtomicFile(path: "\(FileSystem.temporaryFolder)/bits-interrupted")
        #expect(try FileSystem.names(in: FileSystem.temporaryFolder).allSatisfy { !$0.hasPrefix(".bits-interrupted") })
    }

    @Test("Who ends in order hears of an interruption, and may write; a second one ends the process")
    func orderlyEnd() async throws {
        await #expect(processExitsWith: .exitCode(7)) {
            ProcessSignals.letWritesClearUp()
            let scratch = try TemporaryFolder()
            let path = "\(scratch.path)/file"
            let wasWritten = try ProcessSignals.endingInOrder {
                interrupt(SIGINT)
                try AtomicFile.write([1], to: path)
                return FileSystem.kind(of: path) == .file
            }
            let isInOrder = wasWritten && ProcessSignals.interruption == SIGINT
            FileSystem.removeFolder(scratch.path)
            exit(isInOrder ? 7 : 1)
        }
        await #expect(processExitsWith: .signal(SIGTERM)) {
            ProcessSignals.letWritesClearUp()
            ProcessSignals.endingInOrder {
                interrupt(SIGINT)
                interrupt(SIGTERM)
            }
        }
    }

    @Test("What a process that is gone has left is removed by the next one to write the same name")
    func abandoned() throws {
        let scratch = try TemporaryFolder()
        // No process has this number: it is above the system's limit.
        for name in [".model.999999999-a.partial/file", ".model.\(getpid())-b.partial/file", ".models.999999999-c.partial/file", "model.txt"] {
            try scratch.write("x", as: name)
        }
        try AtomicFolder(path: "\(scratch.path)/model").commit()
        #expect(try scratch.names == [".model.\(getpid())-b.partial", ".models.999999999-c.partial", "model", "model.txt"])
    }

    @Test("A mapped file that is shortened ends the process with a line that names it and an exit code, and what was being written is removed")
    func lostFile() async throws {
        let result = try await #require(processExitsWith: .exitCode(74), observing: [\.standardErrorContent]) {
            ProcessSignals.explainLostFile(before: "lost: ", after: " is gone\n", status: 74)
            let scratch = try TemporaryFolder()
            let (path, other) = ("\(scratch.path)/first", "\(scratch.path)/second")
            for path in [path, other] { try AtomicFile.write([UInt8](repeating: 1, count: 8192), to: path) }
            let (file, whole) = (try MappedFile(path: path), try MappedFile(path: other))
            FileSystem.removeFolder("\(FileSystem.temporaryFolder)/bits-lost")
            let folder = try AtomicFolder(path: "\(FileSystem.temporaryFolder)/bits-lost")
            try AtomicFile.write([1], to: "\(folder.workPath)/file")
            unsafe truncate(path, 0)
            FileSystem.removeFolder(scratch.path)
            _ = whole.bytes(in: 4096..<8192)
            _ = file.bytes(in: 4096..<8192)
            try folder.commit()
        }
        let line = String(decoding: result.standardErrorContent, as: UTF8.self)
        #expect(line.contains("lost: ") && line.contains("/first is gone"))
        #expect(try FileSystem.names(in: FileSystem.temporaryFolder).allSatisfy { !$0.hasPrefix(".bits-lost") })
    }

    @Test("A crash for want of memory ends the process with a line and an exit code, and what was being written is removed")
    func lackOfMemory() async throws {
        let result = try await #require(processExitsWith: .exitCode(71), observing: [\.standardErrorContent]) {
            ProcessSignals.explainLackOfMemory(line: "no memory\n", status: 71)
            let file = try AtomicFile(path: "\(FileSystem.temporaryFolder)/bits-crowded")
            let bytes = [UInt8](repeating: 1, count: 1 << 46)
            try AtomicFile.write(bytes, to: "\(FileSystem.temporaryFolder)/bits-never")
            try file.commit()
        }
        #expect(String(decoding: result.standardErrorContent, as: UTF8.self).contains("no memory"))
        #expect(try FileSystem.names(in: FileSystem.temporaryFolder).allSatisfy { !$0.hasPrefix(".bits-crowded") })
    }

    @Test("A crash for another reason stays one")
    func otherCrash() async throws {
        let result = try await #require(processExitsWith: .failure, observing: [\.exitStatus]) {
            ProcessSignals.explainLackOfMemory(line: "no memory\n", status: 71)
            preconditionFailure("a mistake")
        }
        guard case .signal = result.exitStatus else {
            Issue.record("it ended with \(result.exitStatus)")
            return
        }
    }

    @Test("A file that grows beyond the limit set for it is an error")
    func fileLimit() async {
        await #expect(processExitsWith: .exitCode(7)) {
            ProcessSignals.letWritesClearUp()
            openSignals()
            var limit = rlimit(rlim_cur: 4096, rlim_max: 4096)
            unsafe setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            let bytes = [UInt8](repeating: 1, count: 10_000)
            do throws(FileError) { try AtomicFile.write(bytes, to: "\(FileSystem.temporaryFolder)/bits-large") } catch {
                exit(error.code == EFBIG ? 7 : 1)
            }
        }
        #expect(FileSystem.kind(of: "\(FileSystem.temporaryFolder)/bits-large") == .missing)
    }
}

/// Sends this thread a signal.
private func interrupt(_ signal: Int32) {
    openSignals()
    raise(signal)
}

/// Undoes that the test runner's threads block signals.
private func openSignals() {
    var none = sigset_t()
    unsafe sigemptyset(&none)
    unsafe pthread_sigmask(SIG_SETMASK, &none, nil)
}
