import Foundation
import HubServer
import Testing

/// The command and a hub that it downloads from.
@Suite(.enabled(if: HubServer.canFetch, "libcurl is not there"))
struct DownloadTests {
    private let scratch: Scratch
    private let server: HubServer

    init() throws {
        scratch = try Scratch()
        let model = try TinyModel()
        server = HubServer(try Dictionary(uniqueKeysWithValues: model.scratch.names.map { ($0, Array(try model.scratch.data($0))) }))
    }

    /// No proxy but what `changes` name, whatever the tests' own environment says.
    private func environment(_ changes: [String: String]) -> [String: String] {
        let plain = ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"]
        let own = ["HF_HUB_OFFLINE": "0", "HF_HOME": scratch.path, "HF_ENDPOINT": server.endpoint]
        return Dictionary(uniqueKeysWithValues: plain.map { ($0, "") }).merging(own) { $1 }.merging(changes) { $1 }
    }

    private func inspect(_ changes: [String: String]) throws -> Outcome {
        try Command.run(["inspect", "--model", "org/tiny"], environment: environment(changes))
    }

    @Test("a proxy is asked, but for hosts that NO_PROXY names", arguments: ["http_proxy", "ALL_PROXY"])
    func proxies(variable: String) throws {
        defer { server.stop() }
        let outcome = try inspect([variable: server.endpoint, "NO_PROXY": "localhost", "HF_ENDPOINT": "http://hub.invalid"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        // Large files lie on localhost.
        #expect(server.requests.allSatisfy { $0.proxiedHost == ($0.path.hasPrefix("/elsewhere/") ? nil : "hub.invalid") })
        #expect(server.requests.contains { $0.path.hasPrefix("/elsewhere/") })
    }

    @Test("a proxy that lets nothing pass is named as the reason", arguments: ["HTTPS_PROXY", "ALL_PROXY"])
    func refusingProxy(variable: String) throws {
        defer { server.stop() }
        server.fault = { $0.method == "CONNECT" ? .status(403) : nil }
        let outcome = try inspect([variable: server.endpoint, "HF_ENDPOINT": "https://hub.invalid"])
        #expect(outcome.status == 74 && outcome.errors.contains("the proxy does not let it pass"), "\(outcome.errors)")
        server.fault = { _ in .status(407) }
        let asked = try inspect(["http_proxy": server.endpoint, "HF_ENDPOINT": "http://hub.invalid"])
        #expect(asked.status == 74 && asked.errors.contains("the proxy asks who wants to pass"), "\(asked.errors)")
    }

    @Test("who watches sees how far a download is, and a line that is empty in the end")
    func progress() throws {
        defer { server.stop() }
        server.fault = { $0.path.hasPrefix("/elsewhere/") ? .slow(seconds: 0.8) : nil }
        let terminal = try Terminal()
        let outcome = try Command.run(["inspect", "--model", "org/tiny"], errors: terminal.end, environment: environment([:]))
        let shown = terminal.finish()
        #expect(outcome.status == 0 && outcome.output.contains("model"), "\(shown)")
        #expect(shown.contains("\rdownloading [") && shown.contains("##] 100%") && shown.hasSuffix("\r\u{1b}[K"), "\(shown.debugDescription)")
        // Nobody watches a file.
        server.fault = { $0.path.hasPrefix("/elsewhere/") ? .slow(seconds: 0.8) : nil }
        try FileManager.default.removeItem(atPath: "\(scratch.path)/hub")
        #expect(try inspect([:]).errors.isEmpty)
    }
}

/// A pseudo terminal.
private struct Terminal {
    private let own: Int32
    /// What a program writes to.
    let end: FileHandle

    init() throws {
        own = unsafe open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK)
        var (lock, number): (Int32, Int32) = (0, 0)
        let (setLock, getNumber): (UInt, UInt) = (0x4004_5431, 0x8004_5430)  // TIOCSPTLCK, TIOCGPTN
        guard unsafe ioctl(own, setLock, &lock) == 0, unsafe ioctl(own, getNumber, &number) == 0 else { throw POSIXError(.ENOTTY) }
        end = try #require(FileHandle(forUpdatingAtPath: "/dev/pts/\(number)"))
    }

    /// All that was written, which a terminal holds as long as it is little.
    func finish() -> String {
        defer { close(own) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = unsafe read(own, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
    }
}
