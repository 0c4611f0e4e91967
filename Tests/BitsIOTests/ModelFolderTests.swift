import BitsIO
import BitsKernels
import BitsSystem
import CLexicon
import Testing
import _BitsTestSupport

@Suite("Model folders")
struct ModelFolderTests {
    @Test("A folder gives its files")
    func folder() throws {
        let folder = try TemporaryFolder()
        try folder.write("{}", as: "config.json")
        let model = try ModelFolder("\(folder.path)/")
        #expect(model.description == folder.path)
        #expect(try model.file("config.json").byteCount == 2 && model.contains("config.json"))
        #expect(try model.fileIfPresent("tokenizer.json") == nil && !model.contains("tokenizer.json"))
        let error = #expect(throws: ModelFileError.self) { try model.file("tokenizer.json") }
        #expect(error.map { "\($0)" }?.contains("has no tokenizer.json") == true)
    }

    @Test("The embedded model is found by its name")
    func embedded() throws {
        clexicon_link()
        let model = try ModelFolder("lexicon-5m")
        #expect(model.description == "embedded:lexicon-5m" && model.contains("model.safetensors"))
        #expect(try SafetensorsFile(model.file("model.safetensors")).entries.count == 56)
        #expect(ModelFolder(embedded: "no-such-model") == nil)
    }

    @Test("A repository is looked up in the cache")
    func repository() throws {
        let folder = try TemporaryFolder()
        try folder.write("abc123\n", as: "models--org--m.1/refs/main")
        try folder.write("{}", as: "models--org--m.1/snapshots/abc123/config.json")
        try folder.write("{}", as: "models--lone/snapshots/v2/config.json")
        try folder.write("../../outside", as: "models--org--evil/refs/main")
        let cache = HuggingFaceCache(path: folder.path)
        #expect(try ModelFolder("org/m.1", cache: cache).contains("config.json"))
        #expect(try cache.snapshot(of: "lone", revision: "v2") == "\(folder.path)/models--lone/snapshots/v2")
        #expect(try cache.snapshot(of: "org/other") == nil)
        #expect(throws: ModelFileError.self, "no refs/main") { try ModelFolder("lone", cache: cache) }
        #expect(throws: ModelFileError.self, "a revision outside the folder") { try ModelFolder("org/evil", cache: cache) }
        let error = #expect(throws: ModelFileError.self) { try ModelFolder("org/other", cache: cache) }
        #expect(error.map { "\($0)" }?.contains(folder.path) == true)
    }

    @Test("Other names are errors", arguments: ["/no/such/folder", "../nowhere-at-all", "a/b/c", ""])
    func otherNames(_ name: String) {
        #expect(throws: ModelFileError.self) { try ModelFolder(name, cache: HuggingFaceCache(path: "/no/cache")) }
    }

    @Test("A file in place of a folder is an error")
    func file() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("x", as: "model.gguf")
        let error = #expect(throws: ModelFileError.self) { try ModelFolder(path) }
        #expect(error.map { "\($0)" }?.contains("is not a folder") == true)
    }

    @Test(
        "The environment names the cache",
        arguments: [
            (["HF_HUB_CACHE": "/h", "HF_HOME": "/x"], "/h"), (["HUGGINGFACE_HUB_CACHE": "/g"], "/g"),
            (["HF_HOME": "~/hf", "HOME": "/me"], "/me/hf/hub"),
            (["XDG_CACHE_HOME": "/c"], "/c/huggingface/hub"), (["HOME": "/me"], "/me/.cache/huggingface/hub"),
        ])
    func environment(_ variables: [String: String], _ path: String) {
        #expect(HuggingFaceCache(variable: { variables[$0] }).path == path)
    }

    @Test("An output folder appears whole, or not at all")
    func output() throws {
        let folder = try TemporaryFolder()
        do {
            let output = try OutputFolder(path: "\(folder.path)/out/")
            try output.write([1], as: "a")
            #expect(FileSystem.kind(of: "\(folder.path)/out") == .missing)
        }
        #expect(try folder.names == [])
        let output = try OutputFolder(path: "\(folder.path)/out")
        try output.write([1], as: "a")
        try output.commit()
        #expect(try folder.bytes(of: "out/a") == [1] && folder.names == ["out"])
        let error = #expect(throws: ModelFileError.self) { _ = try OutputFolder(path: "\(folder.path)/out") }
        #expect(error.map { "\($0)" }?.contains("already exists") == true)
        try FileSystem.makeFolder("\(folder.path)/empty")
        try OutputFolder(path: "\(folder.path)/empty").commit()
        #expect(throws: ModelFileError.self) { _ = try OutputFolder(path: "\(folder.path)/none/out") }
    }
}
