import BitsCore
import BitsIO
import BitsKernels
import BitsSystem
import Testing
import _BitsTestSupport

@Suite("Checkpoints")
struct CheckpointTests {
    private let tensors: [String: Tensor] = [
        "a": Tensor([1, 2], shape: [2]), "b": Tensor([3, 4, 5], shape: [3]), "c": Tensor([6], shape: [1]), "d": Tensor([7, 8], shape: [2]),
    ]

    private func layout(_ limit: Int) -> CheckpointLayout {
        CheckpointLayout(tensors.map { ($0.key, $0.value.dtype, $0.value.shape) }, maximumFileByteCount: limit)
    }

    private func write(_ limit: Int, to folder: TemporaryFolder) throws {
        try Checkpoint.write(layout(limit), to: folder.path) { name in tensors[name] ?? Tensor([0], shape: [1]) }
    }

    @Test("Shards are filled in order, and a large tensor stands alone")
    func layout() {
        // What huggingface_hub 2.4 does: the large tensor's file comes before the one that is being filled.
        #expect(layout(8).files.map { $0.tensors.map(\.name) } == [["b"], ["a"], ["c"], ["d"]])
        #expect(layout(12).files.map { $0.tensors.map(\.name) } == [["a"], ["b"], ["c", "d"]])
        #expect(layout(20).files.map(\.name) == ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"])
        #expect(layout(100).files.map(\.name) == ["model.safetensors"] && layout(100).index == nil)
    }

    @Test("What is written in shards reads back", arguments: [8, 12, 20, 100])
    func roundTrip(_ limit: Int) throws {
        let folder = try TemporaryFolder()
        try write(limit, to: folder)
        let checkpoint = try Checkpoint(ModelFolder(path: folder.path))
        #expect(checkpoint.names == ["a", "b", "c", "d"] && checkpoint.byteCount == 32)
        for (name, tensor) in tensors { #expect(try checkpoint.tensor(name)?.floats() == tensor.floats()) }
        #expect(try checkpoint.tensor("e") == nil)
    }

    @Test("The index is as Hugging Face's tools write it")
    func index() throws {
        let folder = try TemporaryFolder()
        try write(20, to: folder)
        #expect(
            try folder.text(of: "model.safetensors.index.json") == """
                {
                  "metadata": {
                    "total_size": 32
                  },
                  "weight_map": {
                    "a": "model-00001-of-00002.safetensors",
                    "b": "model-00001-of-00002.safetensors",
                    "c": "model-00002-of-00002.safetensors",
                    "d": "model-00002-of-00002.safetensors"
                  }
                }

                """)
    }

    @Test("A missing shard is named")
    func missingShard() throws {
        let folder = try TemporaryFolder()
        try write(8, to: folder)
        let names = try folder.names.filter { $0.hasSuffix(".safetensors") }
        for name in names.prefix(2) { FileSystem.removeFile("\(folder.path)/\(name)") }
        let error = #expect(throws: ModelFileError.self) { try Checkpoint(ModelFolder(path: folder.path)) }
        #expect(error.map { "\($0)" }?.contains("\(names[0]), \(names[1])") == true)
    }

    @Test(
        "An index that points elsewhere is an error",
        arguments: [
            ("../a.safetensors", "same folder"), ("/etc/passwd", "same folder"), ("x/a.safetensors", "same folder"), ("..", "same folder"),
            ("", "no file name"),
        ])
    func elsewhere(_ file: String, _ expected: String) throws {
        let folder = try TemporaryFolder()
        try folder.write("{\"weight_map\": {\"a\": \"\(file)\"}}", as: "model.safetensors.index.json")
        let error = #expect(throws: ModelFileError.self) { try Checkpoint(ModelFolder(path: folder.path)) }
        #expect(error.map { "\($0)" }?.contains(expected) == true)
    }

    @Test("A tensor that its shard does not hold is an error")
    func missingTensor() throws {
        let folder = try TemporaryFolder()
        try SafetensorsFile.write(["a": Tensor([1], shape: [1])], to: "\(folder.path)/s.safetensors")
        try folder.write("{\"weight_map\": {\"a\": \"s.safetensors\", \"b\": \"s.safetensors\"}}", as: "model.safetensors.index.json")
        let error = #expect(throws: ModelFileError.self) { try Checkpoint(ModelFolder(path: folder.path)) }
        #expect(error.map { "\($0)" }?.contains("'b' is in s.safetensors") == true)
    }

    @Test("A tensor that two shards hold is an error that names both")
    func tensorTwice() throws {
        let folder = try TemporaryFolder()
        try SafetensorsFile.write(["a": Tensor([1], shape: [1])], to: "\(folder.path)/s.safetensors")
        try SafetensorsFile.write(["a": Tensor([2], shape: [1]), "b": Tensor([2], shape: [1])], to: "\(folder.path)/t.safetensors")
        try folder.write("{\"weight_map\": {\"a\": \"s.safetensors\", \"b\": \"t.safetensors\"}}", as: "model.safetensors.index.json")
        let error = #expect(throws: ModelFileError.self) { try Checkpoint(ModelFolder(path: folder.path)) }
        let text = error.map { "\($0)" } ?? ""
        #expect(text.contains("both have 'a'") && text.contains("s.safetensors and ") && text.contains("t.safetensors"))
    }

    @Test("A tensor whose pages were given back reads as before")
    func release() throws {
        let folder = try TemporaryFolder()
        let values = (0..<10_000).map { Float($0) }
        try SafetensorsFile.write(["a": Tensor(values, shape: [10_000])], to: "\(folder.path)/model.safetensors")
        let checkpoint = try Checkpoint(ModelFolder(path: folder.path))
        let tensor = try #require(try checkpoint.tensor("a"))
        #expect(try tensor.floats() == values)
        checkpoint.release("a")
        checkpoint.release("none")
        #expect(try tensor.floats() == values)
    }

    @Test("A folder without weights is an error that says what is read")
    func noWeights() throws {
        let folder = try TemporaryFolder()
        let error = #expect(throws: ModelFileError.self) { try Checkpoint(ModelFolder(path: folder.path)) }
        #expect(
            error.map { "\($0)" }?.contains("has no model.safetensors and not a model.safetensors.index.json with its shards, nor pytorch_model.bin")
                == true)
    }
}
