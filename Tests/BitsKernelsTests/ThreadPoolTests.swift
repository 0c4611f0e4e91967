import BitsKernels
import BitsSystem
import Synchronization
import Testing
import _BitsTestSupport

@Suite("Thread pool")
struct ThreadPoolTests {
    @Test("Every part runs once, whatever the number of threads", arguments: [0, 1, 2, 3, 7, 64, 5000])
    func everyPartOnce(parts: Int) {
        ProcessorConditions.forEach { condition in
            for _ in 0..<20 {
                let runs = Runs(parts)
                Processor.perform(parts: parts) { runs.count($0) }
                #expect(runs.counts.allSatisfy { $0 == 1 }, "\(condition)")
            }
        }
    }

    @Test("A region inside a part runs whole")
    func nested() {
        ProcessorConditions.forEach { condition in
            let runs = Runs(40 * 25)
            Processor.perform(parts: 40) { outer in
                Processor.perform(parts: 25) { inner in runs.count(outer * 25 + inner) }
            }
            #expect(runs.counts.allSatisfy { $0 == 1 }, "\(condition)")
        }
    }

    @Test("Tasks that use the pool at the same time do not disturb each other")
    func concurrentRegions() async {
        await withTaskGroup(of: Bool.self) { group in
            for task in 0..<6 {
                group.addTask {
                    (0..<200).allSatisfy { round in
                        let runs = Runs(1 + (round * 37 + task) % 50)
                        Processor.perform(parts: runs.counts.count) { runs.count($0) }
                        return runs.counts.allSatisfy { $0 == 1 }
                    }
                }
            }
            for await allOnce in group { #expect(allOnce) }
        }
    }

    @Test("No wake-up is lost between regions that follow each other after pauses, with more threads than cores", .timeLimit(.minutes(1)))
    func pauses() {
        ProcessorConditions.with(threads: 4) {
            for round in 0..<2000 {
                let runs = Runs(4)
                Processor.perform(parts: 4) { part in
                    if (part + round) % 4 == 0 { usleep(UInt32(round % 3 * 60)) }
                    runs.count(part)
                }
                #expect(runs.counts == [1, 1, 1, 1])
            }
        }
    }

    @Test("More than one thread takes part")
    func severalThreads() {
        ProcessorConditions.forEach { condition in
            guard Processor.threadCount == 2 else { return }
            // Each part waits a while until the other has begun. A region runs on one thread while another task has the pool, so there are many tries.
            let hasMet = (0..<500).contains { _ in
                let begun = Atomic<Int>(0)
                let met = Atomic<Int>(0)
                Processor.perform(parts: 2) { _ in
                    begun.add(1, ordering: .sequentiallyConsistent)
                    let end = ContinuousClock.now + .milliseconds(20)
                    while begun.load(ordering: .sequentiallyConsistent) < 2 && ContinuousClock.now < end {}
                    if begun.load(ordering: .sequentiallyConsistent) == 2 { met.add(1, ordering: .sequentiallyConsistent) }
                }
                return met.load(ordering: .sequentiallyConsistent) == 2
            }
            #expect(hasMet, "\(condition)")
        }
    }

    @Test("Threads beyond the number in use sleep through what the others do")
    func threadsBeyond() async {
        await #expect(processExitsWith: .success) {
            func switches() throws -> [String: Int] {
                let threads = try FileSystem.names(in: "/proc/self/task")
                return Dictionary(
                    uniqueKeysWithValues: threads.map {
                        ($0, SystemFile.field("voluntary_ctxt_switches", of: "/proc/self/task/\($0)/status").flatMap { Int($0) } ?? 0)
                    })
            }
            Processor.setThreadCount(32)
            Processor.perform(parts: 64) { _ in usleep(1000) }
            Processor.setThreadCount(2)
            Processor.perform(parts: 2) { _ in usleep(20_000) }
            let before = try switches()
            for _ in 0..<100 { Processor.perform(parts: 2) { _ in usleep(300) } }
            let woken = try switches().filter { $0.value - (before[$0.key] ?? 0) > 20 }
            #expect(before.count >= 32)
            #expect(woken.count < 8, "\(woken.count) threads took part for 2")
        }
    }

    @Test("A file that is shortened while a thread of the pool reads it is explained, too")
    func lostFile() async throws {
        let result = try await #require(processExitsWith: .exitCode(74), observing: [\.standardErrorContent]) {
            ProcessSignals.explainLostFile(before: "lost: ", after: " is gone\n", status: 74)
            let scratch = try TemporaryFolder()
            let path = try scratch.write([UInt8](repeating: 1, count: 8192), as: "file")
            let file = try MappedFile(path: path)
            unsafe truncate(path, 0)
            FileSystem.removeFolder(scratch.path)
            Processor.setThreadCount(2)
            let caller = pthread_self()
            // The caller leaves the reading to the other thread, which does not always come.
            for _ in 0..<500 {
                Processor.perform(parts: 2) { _ in
                    if pthread_self() == caller { usleep(20_000) } else { _ = file.bytes(in: 4096..<8192) }
                }
            }
        }
        #expect(String(decoding: result.standardErrorContent, as: UTF8.self).contains("/file is gone"))
    }
}

/// How often each part ran.
private final class Runs: Sendable {
    private let lock: Mutex<[Int]>

    init(_ parts: Int) { lock = Mutex([Int](repeating: 0, count: parts)) }

    var counts: [Int] { lock.withLock { $0 } }

    func count(_ part: Int) { lock.withLock { $0[part] += 1 } }
}
