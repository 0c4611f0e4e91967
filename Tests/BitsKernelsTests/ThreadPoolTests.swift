import BitsKernels
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

    @Test("More than one thread takes part")
    func severalThreads() {
        ProcessorConditions.forEach { condition in
            guard Processor.threadCount == 2 else { return }
            // Each part waits until the other has begun; alone, a thread would wait for ever, so it gives up after many tries.
            let begun = Atomic<Int>(0)
            let met = Atomic<Int>(0)
            Processor.perform(parts: 2) { _ in
                begun.add(1, ordering: .sequentiallyConsistent)
                for _ in 0..<2_000_000_000 where begun.load(ordering: .sequentiallyConsistent) == 2 {
                    met.add(1, ordering: .sequentiallyConsistent)
                    return
                }
            }
            #expect(met.load(ordering: .sequentiallyConsistent) == 2, "\(condition)")
        }
    }
}

/// How often each part ran.
private final class Runs: Sendable {
    private let lock: Mutex<[Int]>

    init(_ parts: Int) { lock = Mutex([Int](repeating: 0, count: parts)) }

    var counts: [Int] { lock.withLock { $0 } }

    func count(_ part: Int) { lock.withLock { $0[part] += 1 } }
}
