import BitsHub
import BitsIO
import BitsSystem
import HubServer
import Synchronization
import Testing
import _BitsTestSupport

@Suite("The hub", .enabled(if: HubServer.canFetch, "libcurl is not there"))
struct HubTests {
    private let folder: TemporaryFolder
    private let server: HubServer
    private var cache: HuggingFaceCache { HuggingFaceCache(path: "\(folder.path)/hub") }
    private static let weights = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }

    init() throws {
        folder = try TemporaryFolder()
        server = HubServer([
            "config.json": Array(#"{"model_type": "llama"}"#.utf8), "tokenizer.json": Array("{}".utf8), "chat_template.jinja": [],
            "README.md": Array("no".utf8),
            "model.safetensors": HubTests.weights, "pytorch_model.bin": [1], "onnx/model.onnx": [2],
            "additional_chat_templates/rag.jinja": Array("r".utf8),
        ])
    }

    private var hub: Hub {
        var settings = HubSettings(endpoint: server.endpoint, token: "secret", cache: cache)
        settings.pause = 0.01
        settings.patience = 2
        return Hub(settings)
    }

    private func message(_ hub: Hub, _ name: String = "org/tiny") -> String {
        do {
            let folder = try hub.model(name)
            return "gives \(folder)"
        } catch { return "\(error)" }
    }

    private var fetched: Int { server.requests.count { $0.method == "GET" && $0.path == "/elsewhere/model.safetensors" } }

    @Test("What a model needs comes into the cache as Hugging Face's tools lay it out, once")
    func download() throws {
        defer { server.stop() }
        let reports = Mutex<[Hub.Progress]>([])
        let model = try hub.model("org/tiny", progress: { report in reports.withLock { $0.append(report) } })
        let path = "\(cache.path)/models--org--tiny"
        #expect(model.description == "\(path)/snapshots/\(server.commit)")
        #expect(
            try FileSystem.names(in: model.description) == [
                "additional_chat_templates", "chat_template.jinja", "config.json", "model.safetensors", "tokenizer.json",
            ])
        let file = try model.file("model.safetensors")
        #expect(file.bytes(in: 0..<file.byteCount) == HubTests.weights)
        #expect(try FileSystem.contents(of: "\(path)/refs/main") == Array(server.commit.utf8))
        let name = HubServer.digest(HubTests.weights, .sha256)
        #expect(FileSystem.kind(of: "\(path)/blobs/\(name)") == .file && FileSystem.isLink("\(model)/model.safetensors"))
        #expect(FileSystem.isLink("\(model)/additional_chat_templates/rag.jinja") && model.contains("additional_chat_templates/rag.jinja"))
        #expect(try FileSystem.names(in: "\(path)/blobs").allSatisfy { !$0.hasSuffix(".incomplete") })
        #expect(reports.withLock { $0.last?.bytes == 300_000 && $0.last?.ofBytes == 300_000 })
        // The token goes to the hub alone.
        #expect(server.requests.allSatisfy { ($0.headers["authorization"] == "Bearer secret") != $0.path.hasPrefix("/elsewhere/") })
        let count = server.requests.count
        #expect(try hub.model("org/tiny").description == model.description && server.requests.count == count)
        #expect(try ModelFolder("org/tiny", cache: cache).description == model.description)
    }

    @Test("Weights in several files are those that their index names")
    func shards() throws {
        defer { server.stop() }
        server.files["model.safetensors"] = nil
        for part in ["a", "b", "c"] { server.files["model-\(part).safetensors"] = Array(part.utf8) }
        server.files["model.safetensors.index.json"] = Array(#"{"weight_map": {"x": "model-a.safetensors", "y": "model-b.safetensors"}}"#.utf8)
        let model = try hub.model("org/tiny")
        #expect(model.contains("model-a.safetensors") && model.contains("model-b.safetensors") && !model.contains("model-c.safetensors"))
        // A snapshot that lost a part is completed.
        FileSystem.removeFile("\(model)/model-b.safetensors")
        #expect(try hub.model("org/tiny").contains("model-b.safetensors"))
        server.files["model.safetensors.index.json"] = Array(#"{"weight_map": {"x": "../../config"}}"#.utf8)
        FileSystem.removeFolder(cache.path)
        #expect(message(hub).contains("no file of its folder"))
    }

    @Test("A revision is a branch, a tag or a commit")
    func revisions() throws {
        defer { server.stop() }
        #expect(try hub.model("org/tiny@v1").description == hub.model("org/tiny@\(server.commit)").description)
        #expect(FileSystem.kind(of: "\(cache.path)/models--org--tiny/refs/v1") == .file)
    }

    @Test("A connection that is cut is gone on with from there, in this run and in the next")
    func resumed() throws {
        defer { server.stop() }
        server.fault = { $0.path == "/elsewhere/model.safetensors" && $0.earlier < 2 ? .cut(after: 100_000) : nil }
        _ = try hub.model("org/tiny")
        let ranges = server.requests.filter { $0.path == "/elsewhere/model.safetensors" }.map { $0.headers["range"] }
        #expect(ranges == [nil, "bytes=100000-", "bytes=200000-"])
        let path = "\(cache.path)/models--org--tiny"
        let name = HubServer.digest(HubTests.weights, .sha256)
        FileSystem.removeFolder("\(path)/snapshots")
        FileSystem.removeFile("\(path)/blobs/\(name)")
        try AtomicFile.write(Array(HubTests.weights.prefix(250_000)), to: "\(path)/blobs/\(name).incomplete")
        _ = try hub.model("org/tiny")
        #expect(server.requests.last { $0.path == "/elsewhere/model.safetensors" }?.headers["range"] == "bytes=250000-")
    }

    @Test("Where a server knows no ranges the file is begun again")
    func noRanges() throws {
        defer { server.stop() }
        server.fault = { $0.path != "/elsewhere/model.safetensors" ? nil : $0.earlier == 0 ? .cut(after: 100_000) : .noRange }
        let file = try hub.model("org/tiny").file("model.safetensors")
        #expect(file.bytes(in: 0..<file.byteCount) == HubTests.weights)
    }

    @Test("Bytes that are not those of the checksum are not taken, nor kept")
    func checksum() throws {
        defer { server.stop() }
        server.fault = { $0.path == "/elsewhere/model.safetensors" && $0.earlier == 0 ? .otherBytes : nil }
        _ = try hub.model("org/tiny")
        FileSystem.removeFolder(cache.path)
        server.fault = { $0.path.hasSuffix("/config.json") ? .otherBytes : nil }
        #expect(message(hub).contains("another config.json than the hub says"))
        #expect(try ModelFolder.isThere("org/tiny", cache) == false)
    }

    @Test(
        "What the hub refuses is one sentence that says what to do",
        arguments: [
            (404, ["X-Error-Code": "RepoNotFound"], "check its name"), (401, ["X-Error-Code": "RepoNotFound"], "check its name"),
            (401, [:], "is not valid; log in"),
            (403, ["X-Error-Code": "GatedRepo"], "ask"), (401, ["X-Error-Code": "GatedRepo"], "has not been let in"), (403, [:], "may not read it"),
            (404, ["X-Error-Code": "RevisionNotFound"], "has no revision 'main'"), (403, ["X-Error-Code": "DisabledRepo"], "was disabled"),
            (429, ["Retry-After": "0"], "asked too often"), (500, [:], "out of order"), (503, [:], "(503)"), (418, [:], "answers 418"),
        ])
    func refused(status: Int, headers: [String: String], part: String) {
        defer { server.stop() }
        server.fault = { _ in .status(status, headers) }
        let text = message(hub)
        #expect(text.hasPrefix("org/tiny: ") && text.contains(part) && !text.contains("\n"), "\(text)")
    }

    @Test("What is out of order for a while is asked for again", arguments: [429, 500, 503])
    func again(status: Int) throws {
        defer { server.stop() }
        server.fault = { $0.earlier < 2 ? .status(status, ["Retry-After": "0"]) : nil }
        #expect(try hub.model("org/tiny").contains("model.safetensors"))
    }

    @Test("A repository that was renamed is found under its new name")
    func renamed() throws {
        defer { server.stop() }
        let new = server.endpoint
        server.fault = { request in
            guard request.path.contains("/old/name/") else { return nil }
            return .status(307, ["Location": (request.path.hasPrefix("/api") ? new : "") + request.path.replacing("/old/name/", with: "/org/tiny/")])
        }
        #expect(try hub.model("old/name").contains("model.safetensors"))
    }

    @Test("Without a network, or with none allowed, it is said in one sentence")
    func offline() {
        server.stop()
        var away = hub
        away.settings.endpoint = "http://127.0.0.1:1"
        #expect(message(away).contains("does not answer"))
        away.settings.endpoint = "http://no-such-host.invalid"
        #expect(message(away).contains("no-such-host.invalid"))
        away.settings.isOffline = true
        #expect(message(away).contains("HF_HUB_OFFLINE"))
        #expect(message(hub, "a/b/c").contains("is no name of a model"))
        #expect(message(hub, "a/b@../../c").contains("is no name of a model"))
    }

    @Test("A server that says nothing is not waited for for ever")
    func silent() {
        defer { server.stop() }
        server.fault = { _ in .slow(seconds: 30) }
        var hub = hub
        hub.settings.patience = 1
        #expect(message(hub).contains("run again"))
    }

    @Test("Two that download the same fetch it once")
    func together() throws {
        defer { server.stop() }
        server.fault = { $0.path.hasPrefix("/elsewhere/") ? .slow(seconds: 0.2) : nil }
        let hub = hub
        let folders = try Crew.map([1, 2, 3], width: 3) { (_) throws(ModelFileError) in try hub.model("org/tiny").description }
        #expect(Set(folders).count == 1 && fetched == 1)
    }

    @Test("Where a server has less than came before, the file is begun again, and progress is told rightly")
    func beyondTheEnd() throws {
        defer { server.stop() }
        server.fault = { $0.headers["range"] != nil ? .status(416) : nil }
        let name = HubServer.digest(HubTests.weights, .sha256)
        let blobs = "\(cache.path)/models--org--tiny/blobs"
        try FileSystem.makeFolders(blobs)
        try AtomicFile.write(Array(HubTests.weights.prefix(250_000)), to: "\(blobs)/\(name).incomplete")
        let reports = Mutex<[Int]>([])
        let file = try hub.model("org/tiny", progress: { report in reports.withLock { $0.append(report.bytes) } }).file("model.safetensors")
        #expect(file.bytes(in: 0..<file.byteCount) == HubTests.weights)
        #expect(reports.withLock { $0.first == 0 && $0.last == 300_000 })
    }

    @Test("A full disk is told as that, and the next run goes on", .enabled(if: FileSystem.kind(of: "/dev/full") != .missing))
    func fullDisk() throws {
        defer { server.stop() }
        let blobs = "\(cache.path)/models--org--tiny/blobs"
        let partial = "\(blobs)/\(HubServer.digest(HubTests.weights, .sha256)).incomplete"
        try FileSystem.makeFolders(blobs)
        try FileSystem.link(partial, to: "/dev/full")
        let problem = #expect(throws: ModelFileError.self) { try hub.model("org/tiny") }
        guard case .system(let error)? = problem else {
            Issue.record("no error of the system: \(String(describing: problem))")
            return
        }
        #expect(error.code == ENOSPC && error.path == partial && error.message.contains("run again to go on from there"))
        FileSystem.removeFile(partial)
        #expect(try hub.model("org/tiny").contains("model.safetensors"))
    }

    @Test("A cache that cannot be written is told with its path")
    func unwritable() throws {
        defer { server.stop() }
        try folder.write("a file", as: "hub")
        #expect(message(hub).contains("\(folder.path)/hub"))
    }

    @Test("What is no model is told apart")
    func noModel() {
        defer { server.stop() }
        server.files = ["README.md": []]
        #expect(message(hub).contains("has no config.json"))
        server.files = ["config.json": Array("{}".utf8), "model.gguf": []]
        #expect(message(hub).contains("has no weights"))
    }

    @Test("The environment says where models come from, and who asks")
    func environment() throws {
        server.stop()
        try folder.write("from-file\n", as: "token")
        let variables = ["HF_ENDPOINT": "http://mirror/", "HF_HOME": folder.path, "HF_HUB_OFFLINE": "1"]
        let settings = HubSettings { variables[$0] }
        #expect(
            settings.endpoint == "http://mirror" && settings.token == "from-file" && settings.isOffline && settings.cache.path == "\(folder.path)/hub"
        )
        #expect(HubSettings { ["HF_TOKEN": " t "][$0] }.token == "t")
        #expect(HubSettings { _ in nil }.endpoint == "https://huggingface.co")
    }
}

extension ModelFolder {
    fileprivate static func isThere(_ name: String, _ cache: HuggingFaceCache) throws -> Bool {
        do { return try ModelFolder(name, cache: cache).contains("config.json") } catch { return false }
    }
}
