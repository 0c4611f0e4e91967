import Foundation

/// What a run of `bnb` left behind.
struct Outcome {
    let status: Int32
    let output: String
    let errors: String

    /// The JSON objects that were printed, one a line.
    var jsonLines: [[String: Any]] {
        get throws {
            try output.split(separator: "\n").map { try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] ?? [:] }
        }
    }

    /// The one JSON object that was printed.
    var json: [String: Any] {
        get throws { try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any] ?? [:] }
    }
}

/// The built command, run as people run it: as a process.
enum Command {
    static let path = path(of: "bnb")

    /// Programs lie beside the test bundle.
    private static func path(of program: String) -> String {
        var folder = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
        while folder.path != "/" {
            let candidate = folder.appendingPathComponent(program).path
            if FileManager.default.isExecutableFile(atPath: candidate) { return candidate }
            folder.deleteLastPathComponent()
        }
        return program
    }

    /// Runs an example.
    static func run(example: String, _ arguments: [String]) throws -> Outcome { try run(program: path(of: example), arguments) }

    /// - Parameters:
    ///   - input: what is piped in.
    ///   - output: where standard output goes, instead of into the outcome.
    ///   - errors: where standard errors go, instead of into the outcome.
    static func run(
        _ arguments: [String], input: String? = nil, output: String? = nil, errors: FileHandle? = nil, environment: [String: String] = [:]
    ) throws -> Outcome {
        try run(program: path, arguments, input: input, output: output, errors: errors, environment: environment)
    }

    /// Runs the command, and calls `body` once as soon as `isDue` says so, if the command has not ended by then.
    static func run(
        _ arguments: [String], environment: [String: String] = [:], when isDue: (Process) -> Bool, _ body: (Process) throws -> Void
    ) throws -> Outcome {
        try run(program: path, arguments, environment: environment) { process in
            while process.isRunning && !isDue(process) { usleep(200) }
            try body(process)
        }
    }

    /// Runs the command, and talks with it: `body` writes what it reads, and reads what it writes.
    static func run(_ arguments: [String], _ body: (Process, _ input: FileHandle, _ output: FileHandle) throws -> Void) throws -> Outcome {
        let (process, input, output, errors) = (Process(), Pipe(), Pipe(), Pipe())
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        (process.standardInput, process.standardOutput, process.standardError) = (input, output, errors)
        try unblockingSignals { try process.run() }
        try body(process, input.fileHandleForWriting, output.fileHandleForReading)
        let rest = output.fileHandleForReading.readDataToEndOfFile()
        let said = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Outcome(
            status: process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus,
            output: String(decoding: rest, as: UTF8.self), errors: String(decoding: said, as: UTF8.self))
    }

    /// Threads of the test runner block signals; what `body` starts would inherit that.
    private static func unblockingSignals(_ body: () throws -> Void) throws {
        var (none, blocked) = (sigset_t(), sigset_t())
        unsafe sigemptyset(&none)
        unsafe pthread_sigmask(SIG_SETMASK, &none, &blocked)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &blocked, nil) }
        try body()
    }

    /// Runs a line of shell; `arguments` are its $0, $1, ...
    static func run(shell line: String, _ arguments: [String]) throws -> Outcome { try run(program: "/bin/sh", ["-c", line] + arguments) }

    private static func run(
        program: String, _ arguments: [String], input: String? = nil, output: String? = nil, errors: FileHandle? = nil,
        environment: [String: String] = [:], meanwhile: (Process) throws -> Void = { _ in }
    ) throws -> Outcome {
        let scratch = try Scratch()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        // Nothing is fetched from the network.
        process.environment = ProcessInfo.processInfo.environment.merging(["HF_HUB_OFFLINE": "1"]) { $1 }.merging(environment) { $1 }
        let (outputPath, errorsPath) = (output ?? "\(scratch.path)/output", "\(scratch.path)/errors")
        for path in [outputPath, errorsPath] where !FileManager.default.fileExists(atPath: path) {
            try Data().write(to: URL(fileURLWithPath: path))
        }
        process.standardOutput = FileHandle(forWritingAtPath: outputPath)
        process.standardError = errors ?? FileHandle(forWritingAtPath: errorsPath)
        process.standardInput = FileHandle.nullDevice
        if let input {
            try scratch.write(input, as: "input")
            process.standardInput = FileHandle(forReadingAtPath: "\(scratch.path)/input")
        }
        try unblockingSignals { try process.run() }
        try meanwhile(process)
        process.waitUntilExit()
        return Outcome(
            status: process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus,
            output: output == nil ? try String(contentsOfFile: outputPath, encoding: .utf8) : "",
            errors: try String(contentsOfFile: errorsPath, encoding: .utf8))
    }

    static func run(_ arguments: String...) throws -> Outcome { try run(arguments) }
}

/// A folder for one test, removed with what is in it.
final class Scratch {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "bnb-\(UInt64.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The names in the folder, hidden ones too.
    var names: [String] { get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() } }

    func write(_ data: Data, as name: String) throws { try data.write(to: URL(fileURLWithPath: "\(path)/\(name)")) }
    func write(_ text: String, as name: String) throws { try write(Data(text.utf8), as: name) }
    func data(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(name)")) }
}
