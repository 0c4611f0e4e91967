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

    @Test("A mapped file that is shortened ends the process with a line and an exit code")
    func lostFile() async throws {
        let result = try await #require(processExitsWith: .exitCode(74), observing: [\.standardErrorContent]) {
            ProcessSignals.explainLostFile(line: "it is gone\n", status: 74)
            let scratch = try TemporaryFolder()
            let path = try scratch.write([UInt8](repeating: 1, count: 8192), as: "file")
            let file = try MappedFile(path: path)
            unsafe truncate(path, 0)
            FileSystem.removeFolder(scratch.path)
            _ = file.bytes(in: 4096..<8192)
        }
        #expect(String(decoding: result.standardErrorContent, as: UTF8.self).contains("it is gone"))
    }
}

/// Sends this thread a signal. The test runner's threads block signals, so that is undone first.
private func interrupt(_ signal: Int32) {
    var none = sigset_t()
    unsafe sigemptyset(&none)
    unsafe pthread_sigmask(SIG_SETMASK, &none, nil)
    raise(signal)
}
