import BitsCore
import BitsIO
import BitsKernels
import BitsSystem
import Testing
import _BitsTestSupport

@Suite("Files of torch.save")
struct PyTorchFileTests {
    private static let folder = #filePath.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" } + "/Cases/pytorch"

    private func open(_ name: String) throws -> PyTorchFile { try PyTorchFile(MappedFile(path: "\(PyTorchFileTests.folder)/\(name)")) }

    @Test(
        "Tensors have the names, types, shapes and bytes that PyTorch gives them, whatever the form of the file",
        arguments: ["state", "before-1.6", "protocol-4", "views", "views-before-1.6", "types", "nested"])
    func tensors(name: String) throws {
        let (found, expected) = (try open("\(name).bin"), try SafetensorsFile(path: "\(PyTorchFileTests.folder)/\(name).safetensors"))
        #expect(found.entries.map(\.name) == expected.entries.map(\.name).sorted())
        for entry in expected.entries {
            let own = try #require(found[entry.name])
            #expect(own.dtype == entry.dtype && own.shape == entry.shape && own.typeName == entry.typeName)
            for inPlace in [true, false] {
                let tensor = try found.tensor(own, on: .cpu, inPlace: inPlace)
                #expect(try tensor.bytes() == expected.tensor(entry).bytes(), "\(entry.name)")
            }
            #expect(try found.tensor(own, on: .deferred()).bytes() == expected.tensor(entry).bytes(), "\(entry.name)")
        }
    }

    @Test("A type that tensors cannot have is listed, and refused by its name when it is asked for")
    func wideTypes() throws {
        let file = try open("wide.bin")
        #expect(file.entries.map(\.typeName) == ["F64", "C64"])
        let problem = try #require(throws: ModelFileError.self) { try file.tensor(file.entries[0]) }
        #expect(problem.description.contains("'a' in F64"))
    }

    static let refused: [(name: String, reason: String)] = [
        ("calls", "asks for 'posix.system', which tensors do not need; nothing in a pickle is executed"),
        ("evaluates", "asks for 'builtins.eval'"), ("module", "asks for 'torch.nn.modules.container.Sequential'"),
        ("empty", "holds no tensor"), ("expanded", "'a' [1099511627776] outside of its storage"), ("plain-pickle", "is neither the zip archive"),
        ("cut", "does not end as one"), ("compressed", "compressed or encrypted"), ("missing", "has no elements of 'a'"),
        ("short", "'a' [4, 6] outside of its storage"), ("big-endian", "the byte order 'big'"), ("other-archive", "without data.pkl"),
    ]

    @Test("What is no file of tensors, or damaged, is refused with the reason, and nothing is executed", arguments: refused)
    func refuses(name: String, reason: String) throws {
        let problem = try #require(throws: ModelFileError.self) { try open("refused/\(name).bin") }
        #expect(problem.description.contains(reason), "\(problem)")
        #expect(FileSystem.kind(of: "executed") == .missing)
    }

    @Test("Bytes changed and lengths cut all over give tensors or an error", arguments: ["state", "before-1.6", "protocol-4"])
    func damage(name: String) throws {
        let file = try MappedFile(path: "\(PyTorchFileTests.folder)/\(name).bin")
        let (bytes, scratch) = (file.bytes(in: 0..<file.byteCount), try TemporaryFolder())
        func read(_ bytes: [UInt8]) throws -> Bool {
            try AtomicFile.write(bytes, to: "\(scratch.path)/x.bin")
            let mapped = try MappedFile(path: "\(scratch.path)/x.bin")
            do throws(ModelFileError) {
                let file = try PyTorchFile(mapped)
                for entry in file.entries where entry.dtype != nil { #expect(try file.tensor(entry).shape == entry.shape) }
                return true
            } catch { return false }
        }
        #expect(try read(bytes))
        for place in stride(from: 0, to: bytes.count, by: 23) {
            var changed = bytes
            changed[place] ^= UInt8(1 + place % 255)
            _ = try read(changed)
            if place % 3 == 0 { _ = try read(Array(bytes[..<place])) }
        }
    }

    /// `pickle` as a file of the form before 1.6.
    private func read(pickle: [UInt8]) throws -> PyTorchFile {
        let scratch = try TemporaryFolder()
        let mark: [UInt8] = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e]
        let number: [UInt8] = [0x4b, 1, 0x2e]
        try AtomicFile.write(mark + number + number + pickle + [0x5d, 0x2e], to: "\(scratch.path)/x.bin")
        return try PyTorchFile(MappedFile(path: "\(scratch.path)/x.bin"))
    }

    static let bombs: [(name: String, pickle: [UInt8], reason: String)] = [
        // ] q 0 h 0 a ... : a list that holds itself many times
        ("a list in itself", [0x5d, 0x71, 0, 0x28] + (0..<5000).flatMap { _ in [UInt8(0x68), 0] } + [0x65, 0x2e], "deeper, or oftener"),
        ("a tuple in a tuple, and so on", [0x29] + [UInt8](repeating: 0x85, count: 200_000) + [0x2e], "deeper, or oftener"),
        ("an empty stack", [0x85, 0x2e], "has no value"), ("a value that was never noted", [0x68, 7, 0x2e], "value number 7"),
        ("a text longer than the file", [0x58, 0xff, 0xff, 0xff, 0x7f], "2147483647 bytes"),
        ("a text of negative length", [0x8d, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "-1 bytes"),
        ("an instruction for objects", [0x81, 0x2e], "the pickle instruction 129"),
    ]

    @Test("A pickle that would never end, or take all memory, is stopped", arguments: bombs)
    func stopped(name: String, pickle: [UInt8], reason: String) throws {
        let problem = try #require(throws: ModelFileError.self, "\(name)") { try read(pickle: pickle) }
        #expect(problem.description.contains(reason), "\(name): \(problem)")
    }

    @Test("A model's folder is read from pytorch_model.bin where it has no safetensors, and from its shards")
    func checkpoints() throws {
        let folder = try TemporaryFolder()
        func copy(_ name: String, as other: String) throws {
            let file = try MappedFile(path: "\(PyTorchFileTests.folder)/\(name)")
            try AtomicFile.write(file.bytes(in: 0..<file.byteCount), to: "\(folder.path)/\(other)")
        }
        func checkpoint(_ name: String = "model") throws -> Checkpoint { try Checkpoint(ModelFolder(path: folder.path), name: name) }
        try copy("first.bin", as: "one.bin")
        try copy("second.bin", as: "two.bin")
        try folder.write("{\"weight_map\": {\"a\": \"one.bin\", \"b\": \"two.bin\"}}", as: "pytorch_model.bin.index.json")
        #expect(try checkpoint().names == ["a", "b"])
        let (a, b) = (try #require(try checkpoint().tensor("a")).floats(), try #require(try checkpoint().tensor("b")).floats())
        #expect(a.map { $0 + 1 } == b)
        try copy("state.bin", as: "pytorch_model.bin")
        #expect(try checkpoint().names == ["0.bias", "0.weight", "1.bias", "1.weight"])
        try copy("first.bin", as: "adapter_model.bin")
        #expect(try checkpoint("adapter_model").names == ["a"])
        try SafetensorsFile.write(["c": Tensor([Float]([1]))], to: "\(folder.path)/model.safetensors")
        #expect(try checkpoint().names == ["c"])
    }
}
