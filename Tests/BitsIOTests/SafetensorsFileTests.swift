import BitsCore
import BitsIO
import BitsKernels
import BitsSystem
import Testing
import _BitsTestSupport

@Suite("Safetensors files")
struct SafetensorsFileTests {
    private static func entry(_ name: String, _ begin: String, _ end: String) -> String { entry(name, "U8", "[2]", begin, end) }

    private static func entry(_ name: String, _ type: String, _ shape: String, _ begin: String, _ end: String) -> String {
        "\"\(name)\":{\"dtype\":\"\(type)\",\"shape\":\(shape),\"data_offsets\":[\(begin),\(end)]}"
    }

    private func open(_ bytes: [UInt8]) throws -> SafetensorsFile {
        let folder = try TemporaryFolder()
        return try SafetensorsFile(path: try folder.write(bytes, as: "model.safetensors"))
    }

    @Test("Types, shapes, metadata and values are read")
    func reading() throws {
        let header =
            "{\"__metadata__\":{\"format\":\"pt\",\"é\":\"\\u00e9\\n\"},"
            + [
                Self.entry("f", "F32", "[1,2]", "0", "8"), Self.entry("b", "BF16", "[2]", "8", "12"), Self.entry("h", "F16", "[]", "12", "14"),
                Self.entry("none", "I64", "[0,3]", "14", "14"), Self.entry("i", "I8", "[2]", "14", "16"),
            ].joined(separator: ",") + "}  "
        let file = try open(
            safetensors(header, [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0] + [0x80, 0x3f, 0, 0xc0] + [0, 0x3c] + [0xff, 0x7f]))
        #expect(file.metadata == ["format": "pt", "é": "é\n"])
        #expect(file.entries.map(\.name) == ["f", "b", "h", "none", "i"])
        #expect(file["f"]?.shape == [1, 2] && file["f"]?.dtype == .float32 && file["none"]?.shape == [0, 3])
        for (name, values) in ["f": [1, -2], "b": [1, -2], "h": [1], "none": [], "i": [-1, 127]] as [String: [Float]] {
            let entry = try #require(file[name])
            let tensor = try file.tensor(entry)
            #expect(tensor.shape == entry.shape)
            #expect(try tensor.slice.downloadFloats() == values)
        }
        #expect(file["missing"] == nil)
    }

    @Test("Aligned tensors are read in place, others copied")
    func alignment() throws {
        // The data starts at a multiple of 8; "a" then lies across no boundary, "b" at an odd byte.
        var header =
            "{"
            + [Self.entry("a", "F32", "[1]", "0", "4"), Self.entry("c", "U8", "[1]", "4", "5"), Self.entry("b", "F32", "[1]", "5", "9")]
            .joined(separator: ",") + "}"
        while header.utf8.count % 8 != 0 { header += " " }
        let file = try open(safetensors(header, [0, 0, 0x80, 0x3f, 7, 0, 0, 0, 0x40]))
        let a = try file.tensor(try #require(file["a"]))
        let b = try file.tensor(try #require(file["b"]))
        #expect(a.slice.buffer.byteCount == file.file.byteCount)
        #expect(b.slice.buffer.byteCount == 4)
        #expect(try a.slice.downloadFloats() == [1] && b.slice.downloadFloats() == [2])
    }

    @Test("Types that tensors cannot have are listed but not loaded")
    func otherTypes() throws {
        let file = try open(safetensors("{\(Self.entry("d", "F64", "[1]", "0", "8"))}", [UInt8](repeating: 0, count: 8)))
        let entry = try #require(file["d"])
        #expect(entry.typeName == "F64" && entry.dtype == nil)
        let error = #expect(throws: ModelFileError.self) { try file.tensor(entry) }
        #expect(error.map { "\($0)".contains("'d' in F64") } == true)
    }

    static let damaged: [(String, [UInt8], String)] = [
        ("an empty file", [], "cut short"),
        ("less than a header's length", [1, 0, 0], "cut short"),
        ("a length of zero", [UInt8](repeating: 0, count: 8), "empty header"),
        ("a length over the limit", [0, 0, 0, 0, 0, 1, 0, 0], "at most 100000000"),
        ("a negative length", [UInt8](repeating: 255, count: 8), "at most 100000000"),
        ("a length beyond the file", [100, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7d], "has only 2 after it"),
        ("no JSON", safetensors("hello"), "'{' is expected"),
        ("a list", safetensors("[]"), "'{' is expected"),
        ("JSON cut short", safetensors("{\"a\":{\"dtype\":\"U8\""), "cut short"),
        ("text after the JSON", safetensors("{} x"), "the end is expected"),
        ("not UTF-8", [4, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x22, 0xff, 0x7d], "not UTF-8"),
        ("overlap", safetensors("{\(entry("a", "0", "2")),\(entry("b", "1", "3"))}", [1, 2, 3]), "overlapping 'a'"),
        ("reversed offsets", safetensors("{\(entry("a", "2", "0"))}", [1, 2]), "not before it"),
        ("offsets beyond the file", safetensors("{\(entry("a", "0", "2"))}", [1]), "cut short"),
        ("offsets near the largest integer", safetensors("{\(entry("a", "9223372036854775805", "9223372036854775807"))}", [1]), "not before it"),
        ("offsets beyond any integer", safetensors("{\(entry("a", "0", "99999999999999999999"))}", [1]), "too large"),
        ("negative offsets", safetensors("{\(entry("a", "-1", "1"))}", [1]), "whole number from 0"),
        ("fractional offsets", safetensors("{\(entry("a", "0.0", "2"))}", [1, 2]), "whole number from 0"),
        ("three offsets", safetensors("{\(entry("a", "0,1", "2"))}", [1, 2]), "data_offsets [0, 1, 2]"),
        ("a gap", safetensors("{\(entry("a", "0", "2")),\(entry("b", "3", "5"))}", [1, 2, 3, 4, 5]), "1 bytes between 'a' and 'b'"),
        ("a gap at the start", safetensors("{\(entry("a", "1", "3"))}", [1, 2, 3]), "between the header and 'a'"),
        ("bytes left over", safetensors("{\(entry("a", "0", "2"))}", [1, 2, 3]), "1 bytes after 'a'"),
        ("shape that does not fit", safetensors("{\(entry("a", "F32", "[2]", "0", "2"))}", [1, 2]), "F32 of shape [2] needs 8"),
        ("shape that overflows", safetensors("{\(entry("a", "U8", "[4294967296,4294967296]", "0", "0"))}"), "too large"),
        (
            "empty, with strides that overflow", safetensors("{\(entry("a", "U8", "[0,4611686018427387904,4611686018427387904]", "0", "0"))}"),
            "too large"
        ),
        ("a negative extent", safetensors("{\(entry("a", "U8", "[-1]", "0", "0"))}"), "whole number from 0"),
        ("half a byte", safetensors("{\(entry("a", "F4", "[3]", "0", "1"))}", [1]), "F4 of shape [3]"),
        ("an unknown type", safetensors("{\(entry("a", "F7", "[2]", "0", "2"))}", [1, 2]), "unknown type 'F7'"),
        ("a type that is no string", safetensors("{\"a\":{\"dtype\":1,\"shape\":[],\"data_offsets\":[0,0]}}"), "a string is expected"),
        ("a missing field", safetensors("{\"a\":{\"dtype\":\"U8\",\"shape\":[]}}"), "no data_offsets for 'a'"),
        ("a name twice", safetensors("{\(entry("a", "0", "2")),\(entry("\\u0061", "0", "2"))}", [1, 2]), "names 'a' twice"),
        ("metadata twice", safetensors("{\"__metadata__\":{},\"__metadata__\":{}}"), "twice"),
        ("metadata that is no text", safetensors("{\"__metadata__\":{\"a\":1}}"), "a string is expected"),
        ("nesting without end", safetensors("{\"a\":{\"x\":" + String(repeating: "[", count: 100_000)), "nested deeper"),
    ]

    // By their places: the log of a run would print the bytes themselves.
    @Test("Damaged files are errors that say what is wrong", arguments: damaged.indices)
    func broken(_ index: Int) throws {
        let (what, bytes, expected) = Self.damaged[index]
        let error = #expect(throws: ModelFileError.self, "\(what)") { try open(bytes) }
        let text = error.map { "\($0)" } ?? ""
        #expect(text.contains(expected), "\(what): \(text)")
        #expect(text.contains("model.safetensors"))
    }

    @Test("Every truncation is an error")
    func truncated() throws {
        let bytes = safetensors(
            "{\(Self.entry("a", "F32", "[2]", "0", "8")),\(Self.entry("b", "U8", "[3]", "8", "11"))}", [UInt8](repeating: 1, count: 11))
        _ = try open(bytes)
        for count in 0..<bytes.count {
            #expect(throws: ModelFileError.self, "the first \(count) bytes") { try open(Array(bytes[..<count])) }
        }
    }

    @Test("Random damage never crashes")
    func randomDamage() throws {
        let bytes = safetensors(
            "{\"__metadata__\":{\"k\":\"v\"},\(Self.entry("a", "F32", "[2]", "0", "8")),\(Self.entry("b", "U8", "[3]", "8", "11"))}",
            [UInt8](repeating: 1, count: 11))
        var random = SplitMix(state: 1)
        for _ in 0..<1000 {
            var damaged = bytes
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                damaged[Int.random(in: 0..<damaged.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            guard let file = try? open(damaged) else { continue }
            for entry in file.entries where entry.dtype != nil { _ = try file.tensor(entry).slice.downloadBytes() }
        }
    }

    @Test("A pipe is refused, not waited for", .timeLimit(.minutes(1)))
    func pipe() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/model.safetensors"
        #expect(unsafe mkfifo(path, 0o600) == 0)
        let error = #expect(throws: ModelFileError.self) { try SafetensorsFile(path: path) }
        #expect(error.map { "\($0)".contains("it is a pipe or a device, not a file") } == true)
    }

    @Test("A missing file and a folder are system errors")
    func missing() throws {
        let folder = try TemporaryFolder()
        for path in ["\(folder.path)/none.safetensors", folder.path] {
            let error = #expect(throws: ModelFileError.self) { try SafetensorsFile(path: path) }
            guard case .system(let system) = error else {
                Issue.record("\(path) gave \(String(describing: error))")
                continue
            }
            #expect(system.path == path && system.code != 0)
        }
    }
}
