import BitsSystem
import FoundationEssentials
import Testing
import _BitsTestSupport

@testable import BitsKernels

@Suite("NVIDIA GPUs")
struct CUDADeviceTests {
    @Test("Where no GPU can be used, one sentence says why and what to do", .enabled(if: !Device.hasCUDA))
    func unavailable() {
        #expect { _ = try Device.cuda() } throws: { error in
            guard case DeviceError.unavailable(_, let reason) = error else { return false }
            return reason.contains("install") || reason.contains("nvidia-smi")
        }
    }

    @Test("A number that no GPU has is told with those there are", .enabled(if: Device.hasCUDA))
    func unknownNumber() {
        #expect { _ = try Device.cuda(99) } throws: { "\($0)".contains("cuda:0") }
    }

    @Test("Names of devices", arguments: ["cuda:", "cuda:x", "cuda:-1", "cuda:+0", "cuda:00", "cpu:0", "auto:1", "gpu", ""])
    func names(name: String) {
        #expect(throws: DeviceError.unknownDevice(name)) { _ = try Device(named: name) }
    }

    @Test("Launches are of files that are there, and of every one")
    func files() throws {
        let sources = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Sources")
        var launched: Set<String> = []
        for file in try FileManager.default.contentsOfDirectory(atPath: sources.appending(path: "BitsKernels/CUDA").path) {
            let text = try String(contentsOf: sources.appending(path: "BitsKernels/CUDA/\(file)"), encoding: .utf8)
            launched.formUnion(text.matches(of: /CUDAFunctions?\(\s*"(\w+)"/).map { String($0.output.1) })
        }
        #expect(launched == Set(CUDACompiler.files))
        let kernels = try FileManager.default.contentsOfDirectory(atPath: sources.appending(path: "CBitsCUDA/kernels").path)
        #expect(Set(kernels.filter { $0.hasSuffix(".cu") }) == Set(CUDACompiler.files.map { "\($0).cu" }))
    }

    @Test("What NVRTC refuses is told with its own words", .enabled(if: CUDACompiler.path != nil))
    func refusal() {
        #expect { _ = try CUDACompiler.compile("__global__ void broken( {", name: "broken.cu", for: "sm_80") } throws: { error in
            "\(error)".contains("broken.cu(1)")
        }
    }

    @Test("Kept machine code that was cut short, changed or is another's is not used")
    func keptImages() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/deep/folder/x.cubin"
        let image = (0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        KeptImage.write(image, key: "abc", to: path)
        #expect(KeptImage.read(path, key: "abc") == image)
        #expect(KeptImage.read(path, key: "abd") == nil)
        var bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
        try Data(bytes.dropLast()).write(to: URL(filePath: path))
        #expect(KeptImage.read(path, key: "abc") == nil)
        bytes[bytes.count - 100] ^= 1
        try Data(bytes).write(to: URL(filePath: path))
        #expect(KeptImage.read(path, key: "abc") == nil)
        try Data().write(to: URL(filePath: path))
        #expect(KeptImage.read(path, key: "abc") == nil)
    }

    @Test("Sizes of blocks grow in steps that waste an eighth at most, and fit again")
    func blockSizes() {
        for count in [0, 1, 512, 513, 4096, 5000, 70_001, 1 << 20, (1 << 20) + 1, 3 << 20, 100_000_001] {
            let size = CUDAAllocator.roundedUp(count)
            #expect(size >= count && size % 64 == 0)
            #expect(CUDAAllocator.roundedUp(size) == size)
            if count > 4096 && count <= 1 << 20 { #expect(Double(size) <= 1.126 * Double(count)) }
            if count > 1 << 20 { #expect(size - count < 2 << 20) }
        }
    }

    @Test("Arguments lie as a struct of C has them")
    func arguments() {
        var arguments = CUDAArguments()
        Int32(1).append(to: &arguments)
        Int64(2).append(to: &arguments)
        Float(1).append(to: &arguments)
        Slice?.none.append(to: &arguments)
        arguments.align(to: 64)
        for number in 0..<120 { arguments.append(number) }
        let bytes = unsafe arguments.withUnsafeBytes { unsafe [UInt8]($0) }
        let first: [UInt8] = [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x3f] + [UInt8](repeating: 0, count: 44)
        #expect(bytes == first + (0..<120).flatMap { [$0, 0, 0, 0, 0, 0, 0, 0] })
    }

    @Test("Memory goes back to the driver when its owners are gone and the cache is emptied", .enabled(if: Device.hasCUDA))
    func memoryReturns() throws {
        let backend = try CUDABackend(ordinal: 0)
        let before = backend.context.memory.free
        var slice: Slice? = backend.device.allocate(.float32, count: 100_000_000)
        #expect(backend.context.memory.free <= before - 400_000_000)
        slice = nil
        #expect(backend.memory.idleByteCount >= 400_000_000 && slice == nil)
        backend.memory.empty()
        #expect(backend.context.memory.free >= before - (8 << 20))
    }

    @Test("Memory that runs out is one error, and the device works on", .enabled(if: Device.hasCUDA))
    func outOfMemory() throws {
        let backend = try CUDABackend(ordinal: 0, memoryLimit: 64 << 20)
        var slice: Slice? = backend.device.allocate(.float32, count: 100_000_000)
        #expect(throws: DeviceError.outOfMemory(byteCount: 400_000_000, device: "cuda:0", held: [:])) { try backend.device.synchronize() }
        slice = nil
        #expect(backend.freeByteCount == 64 << 20)
        let small = backend.device.upload([Float(1), 2, 3], as: .float32)
        #expect(try small.downloadFloats() == [1, 2, 3] && slice == nil)
    }

    @Test(
        "Bytes come back through pinned memory as they went, in parts of all sizes", .enabled(if: Device.hasCUDA), arguments: [0, 1, 4096, 9_000_001])
    func downloads(count: Int) throws {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        #expect(try Device.cuda().upload(bytes, as: .uint8).downloadBytes() == bytes)
    }

    @Test("Slices go from one GPU to another as they are, and each has kernels of its own", .enabled(if: (try? CUDADriver.deviceCount()) ?? 0 > 1))
    func two() throws {
        let (one, other) = (try Device.cuda(0), try Device.cuda(1))
        let values = one.upload([Float(1), -2, .nan, 4], as: .float32)
        let bytes = try values.downloadBytes()
        let there = try other.copy(values)
        #expect(try there.device == other && there.downloadBytes() == bytes)
        other.run(Fill(3, into: there))
        one.run(Fill(2, into: values[0..<1]))
        #expect(try there.downloadFloats() == [3, 3, 3, 3])
        #expect(try values.downloadFloats()[0] == 2 && values.downloadBytes()[4...] == bytes[4...])
    }

    @Test("Work on memory that is gone ends the device's use, and every wait says so", .enabled(if: Device.hasCUDA))
    func lost() async {
        await #expect(processExitsWith: .exitCode(7)) {
            let backend = try CUDABackend(ordinal: 0)
            var slice: Slice? = backend.device.allocate(.float32, count: 100_000_000)
            let gone = try #require(slice?.borrowed())
            slice = nil
            backend.memory.empty()
            backend.device.run(Fill(1, into: gone))
            for _ in 0..<2 {
                do { try backend.device.synchronize() } catch DeviceError.deviceLost("cuda:0", let reason) where reason.contains("illegal") {
                    continue
                }
                exit(1)
            }
            // Nothing is taken on any more, and nothing waits for ever.
            let other = backend.device.upload([Float(1)], as: .float32)
            guard (try? other.downloadFloats()) == nil else { exit(2) }
            exit(7)
        }
    }
}
