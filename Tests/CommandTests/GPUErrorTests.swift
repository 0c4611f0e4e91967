import BitsSystem
import Foundation
import Testing

@testable import BitsKernels

/// What a program meets when a GPU, or the host's memory for it, fails: each in a process of its own, on a driver that computes nothing.
@Suite("Errors of a GPU")
struct GPUErrorTests {
    private let gpu: FakeGPU
    private let scratch: Scratch
    private let environment: [String: String]

    init() throws {
        (gpu, scratch) = (try FakeGPU(), try Scratch())
        environment = gpu.environment(cache: "\(scratch.path)/cache")
    }

    @Test("An error is for whoever wants the result: neither an emptied cache nor a recording that goes takes it away")
    func untold() async {
        await #expect(processExitsWith: .success) { [environment = environment as [String: String]] in
            let device = try FaultyGPU.device(environment)
            FaultyGPU.set("PINNED", "0")
            let values = device.upload([Float(1), 2], as: .float32)
            FaultyGPU.set("PINNED", nil)
            device.emptyCache()
            #expect(throws: DeviceError.outOfHostMemory(byteCount: 32 << 20, device: "cuda:0")) { try values.downloadFloats() }
            let others = device.upload([Float(1), 2], as: .float32)
            #expect(try others.downloadFloats() == [1, 2])

            var recorded: (any RecordedWork)?
            if case .recorded(let work) = device.record({}) { recorded = work }
            try #require(recorded != nil)
            FaultyGPU.failToRead(4 << 20, on: device)
            recorded = nil
            #expect(throws: DeviceError.outOfHostMemory(byteCount: 4 << 20, device: "cuda:0")) { try others.downloadFloats() }
            #expect(try recorded == nil && others.downloadFloats() == [1, 2])
        }
    }

    @Test("A late read that tells of an error leaves a later one to be told")
    func lateRead() async {
        await #expect(processExitsWith: .success) { [environment = environment as [String: String]] in
            let device = try FaultyGPU.device(environment)
            let values = device.upload([Float(1), 2], as: .float32)
            FaultyGPU.failToRead(4 << 20, on: device)
            let first = DeviceError.outOfHostMemory(byteCount: 4 << 20, device: "cuda:0")
            let late = values.downloadLater()
            #expect(throws: first) { try device.synchronize() }
            FaultyGPU.failToRead(8 << 20, on: device)
            #expect(throws: first) { _ = try late() }
            #expect(throws: DeviceError.outOfHostMemory(byteCount: 8 << 20, device: "cuda:0")) { try device.synchronize() }
            try device.synchronize()
        }
    }

    @Test("A kernel that the host computes waits for another thread's recording, and spoils it not")
    func besideRecording() async {
        await #expect(processExitsWith: .success) { [environment = environment as [String: String]] in
            let device = try FaultyGPU.device(environment)
            let values = device.upload([Float(1), 2], as: .float32)
            let isRecorded = FaultyGPU.records(on: device) { device.run(Doubled(values: values)) }
            #expect(isRecorded)
            #expect(try values.downloadFloats() == [2, 4])
        }
    }

    @Test("A broken GPU that is found as kernels are loaded is lost, and not a file of kernels refused")
    func lostAtLoading() async throws {
        let environment = try gpu.environmentWithCompiler(cache: "\(scratch.path)/cache", isNamed: true, ["VERSION": "13000"])
        await #expect(processExitsWith: .success) { [environment = environment as [String: String]] in
            let device = try FaultyGPU.device(environment)
            let values = device.upload([Float(1), 2], as: .float32)
            FaultyGPU.breakGPU(with: values)
            device.run(Fill(1, into: values))
            FaultyGPU.expectLoss(on: device, foundIn: "loading of copy.cu")
        }
    }

    @Test("BNB_CUDA_WAIT tells the work that broke a GPU, where it is no kernel of ours")
    func waitingForEach() async {
        await #expect(processExitsWith: .success) { [environment = environment as [String: String]] in
            let device = try FaultyGPU.device(environment.merging(["BNB_CUDA_WAIT": "1"]) { $1 })
            let values = device.upload([Float(1), 2], as: .float32)
            FaultyGPU.breakGPU(with: values)
            FaultyGPU.expectLoss(on: device, foundIn: "clear")
        }
    }

    @Test("Without pinned memory what would be put away stays, moments are refused, and nothing else fails; an emptied cache gives the memory back")
    func pinnedMemory() async {
        await #expect(processExitsWith: .success) { [environment = environment as [String: String]] in
            let device = try FaultyGPU.device(environment)
            let values = device.upload([Float](repeating: 1, count: 1 << 20), as: .float32)
            try device.synchronize()
            let store = try #require(try device.backend.openPageStore(folder: ""))
            FaultyGPU.set("PINNED", "\(38 << 20)")
            // Uploads have 32 MB already, and this takes 4.
            #expect(try values.downloadBytes().count == 4 << 20)
            #expect(device.putAway(values) == nil)
            #expect { _ = try store.allocatePaged(byteCount: 5 << 20) } throws: { ($0 as? FileError)?.isLackOfMemory == true }
            try device.synchronize()
            device.emptyCache()
            _ = try store.allocatePaged(byteCount: 5 << 20)
            // Of a GPU that is lost it is not the memory that is missing.
            FaultyGPU.breakGPU(with: values)
            #expect { _ = try store.allocatePaged(byteCount: 4096) } throws: { ($0 as? FileError)?.isLackOfMemory == false }
            FaultyGPU.expectLoss(on: device, foundIn: "paging")
        }
    }

    @Test("Paged moments that have room for one group bring in what is needed first, and what is gone is counted no longer")
    func paging() async {
        await #expect(processExitsWith: .success) { [environment = environment as [String: String]] in
            _ = try FaultyGPU.device(environment)
            let device = try Device.cuda(memoryLimit: 2 << 20)
            let pager = try #require(try Pager(on: device, folder: "", residentByteCount: 0))
            var groups = (0..<3).map { _ in Pager.Group() }
            for group in groups { _ = try pager.allocate(.uint8, count: 2 << 20, in: group) }
            #expect(pager.counters.fileByteCount == 6 << 20)
            for _ in 0..<2 {
                for index in groups.indices { pager.use(groups[index], next: index + 1 < groups.count ? groups[index + 1] : nil) {} }
                pager.finish()
            }
            // The second of three finds the first still there, each time.
            #expect(pager.counters.faults == 2)
            try device.synchronize()
            pager.drop(groups)
            groups = []
            #expect(pager.counters.fileByteCount == 0)
        }
    }

    @Test("A device of its own gives all memory back when it goes")
    func deviceThatGoes() async {
        await #expect(processExitsWith: .success) { [environment = environment as [String: String]] in
            _ = try FaultyGPU.device(environment)
            let context = try CUDABackend.shared(ordinal: 0).context
            let free = context.memory.free
            // Room for what one of them takes.
            FaultyGPU.set("PINNED", "\(33 << 20)")
            for _ in 0..<2 {
                let device = try Device.cuda(memoryLimit: 1 << 30)
                #expect(try device.upload([Float(1), 2], as: .float32).downloadFloats() == [1, 2])
            }
            #expect(context.memory.free == free)
        }
    }

    @Test("Another library that changes the thread's context is not in the way")
    func otherContext() async {
        await #expect(processExitsWith: .success) { [environment = environment as [String: String]] in
            let device = try FaultyGPU.device(environment)
            let values = device.upload([Float(1), 2], as: .float32)
            let library = unsafe dlopen(environment["BNB_CUDA_DRIVER"], RTLD_NOW)
            let symbol = unsafe dlsym(library, "cuCtxSetCurrent")
            let setCurrent = unsafe unsafeBitCast(symbol, to: (@convention(c) (UnsafeMutableRawPointer?) -> Int32).self)
            let status = setCurrent(nil)
            #expect(status == 0)
            #expect(try values.downloadFloats() == [1, 2])
        }
    }

    @Test("The table of arrays whose norms are taken is brought to the device again only where one has moved or they are others")
    func keptTable() async {
        let uploads = "\(scratch.path)/uploads"
        await #expect(processExitsWith: .success) { [environment = environment as [String: String], uploads = uploads as String] in
            let device = try FaultyGPU.device(environment)
            let arrays = (0..<4).map { _ in device.allocate(.float32, count: 5000) }
            let kept = KeptOperands()
            FaultyGPU.set("UPLOADS", uploads)
            func sizes(_ numbers: [Int], keptIn kept: KeptOperands?) throws -> [Int] {
                try "".write(toFile: uploads, atomically: true, encoding: .utf8)
                device.run(VectorNorm(numbers.map { arrays[$0] }, into: device.allocate(.float32, count: 2 * numbers.count), keptIn: kept))
                return try String(contentsOfFile: uploads, encoding: .utf8).split(separator: "\n").compactMap { Int($0) }
            }
            // 32 bytes for each array.
            for (numbers, expected) in [([0, 1, 2], [96]), ([0, 1, 2], []), ([0, 3, 2], [96]), ([0, 3], [64]), ([0, 3], [])] {
                #expect(try sizes(numbers, keptIn: kept) == expected, "\(numbers)")
                #expect(try sizes(numbers, keptIn: nil) == [32 * numbers.count])
            }
            // What is brought there while something fails may not have come.
            FaultyGPU.failToRead(4 << 20, on: device)
            _ = try sizes([1, 2, 3], keptIn: kept)
            #expect(throws: DeviceError.outOfHostMemory(byteCount: 4 << 20, device: "cuda:0")) { try device.synchronize() }
            #expect(try sizes([1, 2, 3], keptIn: kept) == [96])
        }
    }

    @Test("Products whose codes are uploaded in a recording are not joined by what lay there before")
    func uploadedCodes() async {
        await #expect(processExitsWith: .success) { [environment = environment as [String: String]] in
            let device = try FaultyGPU.device(environment)
            let backend = try CUDABackend.shared(ordinal: 0)
            let input = device.upload([UInt16](repeating: 0, count: 256), as: .bfloat16)
            let products = (0..<2).map { _ in
                FourBitLinear(
                    input, weight: FaultyGPU.weight(on: device), bias: nil, into: device.allocate(.bfloat16, count: 64), precision: .bfloat16)
            }
            func launches(_ first: CUDARecordedUpload?) -> Int {
                var fusion = CUDAFusion(backend)
                if let first { _ = fusion.keep(first) }
                for product in products { _ = fusion.keep(product) }
                var count = 0
                while fusion.next(end: true) != nil {
                    count += 1
                    fusion.isQueueing = false
                }
                return count
            }
            #expect(launches(nil) == 1)
            let table = try #require(backend.tables.take(byteCount: 64).block)
            #expect(launches(CUDARecordedUpload(table: table, target: products[1].weight.code)) == 3)
        }
    }
}

/// The GPU of a test's own process, and what is to go wrong with it.
private enum FaultyGPU {
    /// Tells the process of the driver, before anybody looks for one.
    static func device(_ environment: [String: String]) throws -> Device {
        for (name, value) in environment { unsafe setenv(name, value, 1) }
        return try Device.cuda()
    }

    /// Has the driver do from now on what `name` says.
    static func set(_ name: String, _ value: String?) {
        if let value { unsafe setenv("FAKE_CUDA_\(name)", value, 1) } else { unsafe unsetenv("FAKE_CUDA_\(name)") }
    }

    /// Makes an error that is not told yet: a read finds no pinned memory.
    static func failToRead(_ byteCount: Int, on device: Device) {
        let slice = device.allocate(.uint8, count: byteCount)
        set("PINNED", "0")
        _ = slice.downloadLater()
        set("PINNED", nil)
    }

    /// Has work on `slice` end the use of its device, which is found later.
    static func breakGPU(with slice: Slice) {
        set("CLEAR", "1")
        (slice.device.backend as? CUDABackend)?.clear(slice)
    }

    static func expectLoss(on device: Device, foundIn work: String) {
        for _ in 0..<2 {
            #expect {
                try device.synchronize()
            } throws: { error in
                guard case DeviceError.deviceLost("cuda:0", let reason) = error else { return false }
                return reason.contains("CUDA_ERROR_ILLEGAL_ADDRESS") && reason.contains("found in: \(work)")
            }
        }
    }

    /// Records nothing, while another thread does `work`.
    ///
    /// - Returns: whether the recording was made.
    static func records(on device: Device, beside work: @escaping @Sendable () -> Void) -> Bool {
        let done = DispatchSemaphore(value: 0)
        let result = device.record {
            Thread.detachNewThread {
                work()
                done.signal()
            }
            _ = done.wait(timeout: .now() + .milliseconds(200))
        }
        if case .recorded = result {
            _ = done.wait(timeout: .now() + .seconds(30))
            return true
        }
        return false
    }

    static func weight(on device: Device) -> FourBitMatrix {
        FourBitMatrix(
            packed: device.upload([UInt8](repeating: 0, count: 64 * 128), as: .uint8), rows: 64, columns: 256, blockSize: 64,
            code: device.upload(FourBitFormat.nf4.values, as: .float32),
            scales: .plain(device.upload([Float](repeating: 1, count: 256), as: .float32)))
    }
}

/// A kernel that no device has a version of.
private struct Doubled: Kernel {
    static let name = "doubled"
    var values: Slice

    static let operandList: OperandList<Self> = [.updates("values", \.values)]

    func reference(_ memory: some ReferenceMemory) { memory.store(memory.floats(values).map { 2 * $0 }, to: values) }
}
