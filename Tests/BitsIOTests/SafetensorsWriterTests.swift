import BitsCore
import BitsIO
import BitsKernels
import BitsSystem
import Testing
import _BitsTestSupport

@Suite("Writing safetensors")
struct SafetensorsWriterTests {
    @Test("The bytes are the Python library's")
    func goldenBytes() throws {
        let folder = try TemporaryFolder()
        let cpu = Device.cpu
        let tensors: [String: Tensor] = [
            "b": Tensor(cpu.upload([1, 2] as [UInt8], as: .uint8), shape: [2]),
            "a": Tensor([1, -2], shape: [1, 2]),
            "half": Tensor(cpu.upload([0x3c00] as [UInt16], as: .float16), shape: []),
            "i": Tensor(cpu.upload([5] as [Int64], as: .int64), shape: [1]),
            "é\"\\\n\u{1}\u{7f}/😀": Tensor([0.5], shape: [1]),
            "none": Tensor([Float](), shape: [0, 4]),
            "brain": Tensor(cpu.upload([0x3f80] as [UInt16], as: .bfloat16), shape: [1, 1]),
            "true": Tensor(cpu.upload([1] as [UInt8], as: .bool), shape: [1]),
            "s": Tensor(cpu.upload([-1] as [Int8], as: .int8), shape: [1]),
        ]
        try SafetensorsFile.write(tensors, to: "\(folder.path)/x.safetensors")
        // What safetensors 0.8.0 saves for the same dictionary with metadata {"format": "pt"}.
        let header =
            #"{"__metadata__":{"format":"pt"},"i":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[1,2],"data_offsets":[8,16]},"none":{"dtype":"F32","shape":[0,4],"data_offsets":[16,16]},"é\"\\\n\u0001"#
            + "\u{7f}"
            + #"/😀":{"dtype":"F32","shape":[1],"data_offsets":[16,20]},"brain":{"dtype":"BF16","shape":[1,1],"data_offsets":[20,22]},"half":{"dtype":"F16","shape":[],"data_offsets":[22,24]},"s":{"dtype":"I8","shape":[1],"data_offsets":[24,25]},"b":{"dtype":"U8","shape":[2],"data_offsets":[25,27]},"true":{"dtype":"BOOL","shape":[1],"data_offsets":[27,28]}}"#
        let padded = header + String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)
        let data: [UInt8] = [5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0, 0, 0, 0x3f, 0x80, 0x3f, 0, 0x3c, 0xff, 1, 2, 1]
        #expect(try folder.bytes(of: "x.safetensors") == safetensors(padded, data))
        #expect(try folder.names == ["x.safetensors"])
    }

    @Test("An empty file and metadata are written as Python does")
    func empty() throws {
        let folder = try TemporaryFolder()
        try SafetensorsFile.write([:], metadata: [:], to: "\(folder.path)/e")
        #expect(try folder.bytes(of: "e") == safetensors("{}      "))
        try SafetensorsFile.write([:], metadata: ["z": "1", "a": "\t"], to: "\(folder.path)/m")
        #expect(try SafetensorsFile(path: "\(folder.path)/m").metadata == ["z": "1", "a": "\t"])
    }

    @Test("What is written reads back bit for bit")
    func roundTrip() throws {
        let folder = try TemporaryFolder()
        var random = SplitMix(state: 7)
        var tensors: [String: Tensor] = [:]
        var expected: [String: [UInt8]] = [:]
        for (index, dtype) in DType.allCases.enumerated() {
            for count in [0, 1, 3, 1000] {
                let bytes = (0..<count * dtype.byteCount).map { _ in UInt8.random(in: 0...255, using: &random) }
                let raw = Device.cpu.upload(bytes, as: .uint8)
                let slice = Slice(buffer: raw.buffer, dtype: dtype, count: count)
                tensors["\(index).\(count)"] = Tensor(slice, shape: [count])
                expected["\(index).\(count)"] = bytes
            }
        }
        try SafetensorsFile.write(tensors, to: "\(folder.path)/x")
        let file = try SafetensorsFile(path: "\(folder.path)/x")
        #expect(file.entries.count == expected.count)
        for entry in file.entries { #expect(try file.tensor(entry).slice.downloadBytes() == expected[entry.name]) }
    }

    @Test("A writer that is dropped leaves nothing")
    func dropped() throws {
        let folder = try TemporaryFolder()
        do {
            var writer = try SafetensorsWriter(path: "\(folder.path)/x", tensors: [("a", .float32, [1]), ("b", .float32, [1])])
            try writer.write(Tensor([1], shape: [1]))
            #expect(try folder.names.count == 1)
        }
        #expect(try folder.names == [])
    }

    @Test("An existing file is replaced only by a complete one")
    func replaced() throws {
        let folder = try TemporaryFolder()
        try folder.write("old", as: "x")
        do {
            _ = try SafetensorsWriter(path: "\(folder.path)/x", tensors: [("a", .float32, [1])])
        }
        #expect(try folder.text(of: "x") == "old")
        try SafetensorsFile.write([:], metadata: [:], to: "\(folder.path)/x")
        #expect(try folder.bytes(of: "x").count == 16)
    }

    @Test("A folder that is not there is an error")
    func missingFolder() {
        #expect(throws: ModelFileError.self) { try SafetensorsFile.write([:], to: "no-such-folder/x.safetensors") }
    }

    @Test("A full disk is an error that leaves nothing")
    func fullDisk() async {
        // In a process of its own, where no file may grow beyond 1 MB.
        await #expect(processExitsWith: .success) {
            var signals = sigset_t()
            unsafe _ = sigaddset(&signals, SIGXFSZ)
            unsafe _ = pthread_sigmask(SIG_BLOCK, &signals, nil)
            var limit = rlimit(rlim_cur: 1 << 20, rlim_max: 1 << 20)
            unsafe _ = setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            let folder = try TemporaryFolder()
            let error = #expect(throws: ModelFileError.self) {
                try SafetensorsFile.write(["a": Tensor([Float](repeating: 1, count: 1 << 19))], to: "\(folder.path)/x.safetensors")
            }
            guard case .system(let system) = error else {
                Issue.record("gave \(String(describing: error))")
                return
            }
            #expect(system.code == EFBIG && system.path.hasSuffix("x.safetensors"))
            #expect(try folder.names == [])
        }
    }
}
