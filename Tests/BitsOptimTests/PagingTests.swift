import BitsCore
import BitsIO
import BitsOptim
import BitsSystem
import Testing
import _BitsTestSupport

@Suite("Paged moments")
struct PagingTests {
    private static let hasMemoryDisk = unsafe access("/dev/shm", W_OK) == 0

    private func run(_ storage: MomentStorage, rule: any UpdateRule = AdamW(), steps: Int = 4) throws -> (Optimizer, [[Float]]) {
        let counts = [200_001, 150_000, 99_999, 120_000]
        let parameters = counts.enumerated().map { Parameter(Tensor(HostileFloats.ordinary(count: $1, seed: UInt64($0)))) }
        let optimizer = try Optimizer(groups: [ParameterGroup(parameters, rule: rule)], moments: storage)
        for step in 1...steps {
            for (index, parameter) in parameters.enumerated() {
                parameter.gradient = Tensor(HostileFloats.ordinary(count: counts[index], seed: UInt64(100 * step + index)))
            }
            try optimizer.step()
        }
        return (optimizer, try parameters.map { try $0.value.floats() })
    }

    @Test("Paging changes no bit, however little may stay in memory", arguments: [0, 300_000, Int.max])
    func sameBits(resident: Int) throws {
        for (rule, storage) in [
            (AdamW(), .blockwise8bit()), (AdamW(), .float32), (Adagrad(initialAccumulatorValue: 0.5), .blockwise8bit()),
            (Adagrad(initialAccumulatorValue: 0.5), .float32),
        ] as [(any UpdateRule, MomentStorage)] {
            let (plain, expected) = try run(storage, rule: rule)
            let (paged, found) = try run(storage.paged(Paging(residentByteCount: resident)), rule: rule)
            #expect(found == expected)
            #expect(plain.momentByteCount == paged.momentByteCount)
            for (a, b) in zip(plain.groups[0].parameters, paged.groups[0].parameters) {
                let moments = (try #require(try plain.momentValues(of: a)), try #require(try paged.momentValues(of: b)))
                for (a, b) in zip(moments.0, moments.1) { #expect(try a.floats() == b.floats()) }
            }
        }
    }

    @Test("A device that works later pages too: the same bits, and no step meets what is away", arguments: [0, 20_000, Int.max])
    func laterDevice(resident: Int) throws {
        func run(_ storage: MomentStorage) throws -> (Device, Optimizer, [[Float]]) {
            let device = Device.deferred()
            let counts = [3001, 5000, 900, 4000]
            let parameters = counts.enumerated().map { Parameter(Tensor(HostileFloats.ordinary(count: $1, seed: UInt64($0)), device: device)) }
            let optimizer = try Optimizer(parameters, rule: AdamW(), moments: storage)
            for step in 1...3 {
                for (index, parameter) in parameters.enumerated() {
                    parameter.gradient = Tensor(HostileFloats.ordinary(count: counts[index], seed: UInt64(10 * step + index)), device: device)
                }
                try optimizer.step()
            }
            #expect(device.counts.hostWaits == 0)
            return (device, optimizer, try parameters.map { try $0.value.floats() })
        }
        let (_, _, expected) = try run(.blockwise8bit(minimumCount: 0))
        let paging = Paging(minimumCount: 1000, residentByteCount: resident)
        let (device, optimizer, found) = try run(.blockwise8bit(minimumCount: 0).paged(paging))
        #expect(found == expected)
        #expect(device.counts.pageFaults == 0)
        let counters = try #require(optimizer.paging)
        #expect(counters.fileByteCount == 24_002)
        #expect(counters.bytesOut == [0: 3 * 24_002, 20_000: 3 * 8_000, Int.max: 0][resident])
        // What is asked for outside of a step need not be in.
        let moments = try optimizer.momentValues(of: optimizer.groups[0].parameters[3])
        #expect(try #require(moments)[0].floats().contains { $0 != 0 })
        #expect((device.counts.pageFaults > 0) == (resident < Int.max))
    }

    @Test("Counters tell what went in and out")
    func counters() throws {
        let (plain, _) = try run(.blockwise8bit())
        #expect(plain.paging == nil)
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let bytes = [200_001, 150_000, 120_000].reduce(0) { $0 + 2 * (($1 + page - 1) / page * page) }
        let (resident, _) = try run(.blockwise8bit().paged(Paging(residentByteCount: Int.max)))
        let kept = try #require(resident.paging)
        #expect(kept.bytesIn == 0 && kept.bytesOut == 0 && kept.residentByteCount == bytes && kept.fileByteCount == bytes)
        let (streaming, _) = try run(.blockwise8bit().paged(Paging(residentByteCount: 0)), steps: 4)
        let streamed = try #require(streaming.paging)
        #expect(streamed.bytesOut == 4 * bytes && streamed.bytesIn == 3 * bytes && streamed.residentByteCount == 0)
        #expect(streamed.secondsWaited > 0)
    }

    @Test("State from a file counts like state from steps: what finds no room is given up and comes back, what it replaces is forgotten")
    func loadedState() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/state.safetensors"
        let (plain, _) = try run(.blockwise8bit(), steps: 1)
        try plain.saveState(to: path)
        let (streaming, _) = try run(.blockwise8bit().paged(Paging(residentByteCount: 0)), steps: 1)
        let before = try #require(streaming.paging)
        let bytes = before.bytesOut
        try streaming.loadState(from: path)
        let loaded = try #require(streaming.paging)
        #expect(loaded.bytesOut == 2 * bytes && loaded.bytesIn == 0 && loaded.residentByteCount == 0)
        try streaming.step()
        #expect(streaming.paging?.bytesIn == bytes && streaming.paging?.bytesOut == 3 * bytes)

        let (resident, _) = try run(.blockwise8bit().paged(Paging(residentByteCount: Int.max)), steps: 1)
        try resident.loadState(from: path)
        #expect(resident.paging?.residentByteCount == bytes)
        try resident.step()
        #expect(resident.paging?.residentByteCount == bytes && resident.paging?.bytesIn == 0)
        // A file that is refused half-way leaves the books as they were.
        let file = try SafetensorsFile(path: path)
        var tensors: [String: Tensor] = [:]
        for entry in file.entries { tensors[entry.name] = try file.tensor(entry) }
        tensors["state.3.step"] = Tensor([-1] as [Int32], shape: [])
        try SafetensorsFile.write(tensors, metadata: file.metadata, to: path)
        #expect(throws: OptimizerError.self) { try resident.loadState(from: path) }
        #expect(resident.paging?.residentByteCount == bytes)
    }

    @Test("Only large parameters are paged, from the threshold that is set")
    func threshold() throws {
        let (optimizer, _) = try run(.float32.paged(Paging(minimumCount: 160_000)), steps: 1)
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        #expect(optimizer.paging?.fileByteCount == 2 * ((4 * 200_001 + page - 1) / page * page))
        let (small, _) = try run(.float32.paged(Paging(minimumCount: 1_000_000)), steps: 1)
        #expect(small.paging == nil)
    }

    @Test("The file has no name while it is used and is gone afterwards")
    func files() throws {
        let folder = try TemporaryFolder()
        do {
            let (optimizer, _) = try run(.blockwise8bit().paged(Paging(folder: folder.path)), steps: 2)
            #expect(optimizer.paging != nil)
            #expect(try folder.names.isEmpty)
        }
        #expect(try folder.names.isEmpty)
    }

    @Test("A folder that cannot be used is an error that names it, before anything is changed", arguments: ["/nowhere/at/all", "/proc"])
    func folders(folder: String) throws {
        let parameter = Parameter(Tensor.ones([100_000]))
        parameter.gradient = Tensor.ones([100_000])
        let optimizer = try Optimizer([parameter], rule: AdamW(), moments: .float32.paged(Paging(folder: folder)))
        do {
            try optimizer.step()
            Issue.record("no error")
        } catch {
            #expect("\(error)".contains(folder) && "\(error)".contains("name a folder that can be written"))
        }
        #expect(try parameter.value.floats()[0] == 1)
        #expect(optimizer.stepCount == 0)
    }

    @Test("A parameter that the disk has no room for is an error before any parameter changes", .enabled(if: hasMemoryDisk))
    func noRoom() throws {
        let small = Parameter(Tensor.ones([100_000]))
        small.gradient = Tensor.ones([100_000])
        // Takes no memory, unlike its moments.
        let large = Parameter(Tensor.ones([1]).broadcast(to: [1 << 44]))
        large.gradient = Tensor.ones([1]).broadcast(to: [1 << 44])
        let optimizer = try Optimizer([small, large], rule: AdamW(), moments: .float32.paged(Paging(folder: "/dev/shm")))
        do {
            try optimizer.step()
            Issue.record("no error")
        } catch {
            #expect("\(error)".contains("/dev/shm: has no room for") && "\(error)".contains("free some, or name another folder"))
        }
        #expect(try small.value.floats()[0] == 1)
        #expect(optimizer.stepCount == 0)
        large.gradient = nil
        try optimizer.step()
        #expect(try small.value.floats()[0] < 1 && optimizer.stepCount == 1)
    }
}
