import BitsKernels
import Synchronization

/// The conditions under which a kernel has to give the same result.
public enum ProcessorConditions {
    private static let turn = Mutex(())

    /// Runs `body` once for every level of this processor with 1, 2 and 3 threads, and names the condition to it.
    ///
    /// Level and thread count belong to the process, so one caller at a time has them; afterwards they are as before.
    public static func forEach(_ body: (_ condition: String) throws -> Void) rethrows {
        try turn.withLock { _ in
            let (level, threads) = (Processor.level, Processor.threadCount)
            defer {
                Processor.cap(level)
                Processor.setThreadCount(threads)
            }
            for candidate in Processor.Level.allCases where candidate <= level {
                for count in 1...3 {
                    Processor.cap(candidate)
                    Processor.setThreadCount(count)
                    try body("\(candidate.name), \(count) \(count == 1 ? "thread" : "threads")")
                }
            }
        }
    }

    /// Runs `body` with `count` threads; the rest as in ``forEach(_:)``.
    public static func with(threads count: Int, _ body: () throws -> Void) rethrows {
        try turn.withLock { _ in
            let threads = Processor.threadCount
            defer { Processor.setThreadCount(threads) }
            Processor.setThreadCount(count)
            try body()
        }
    }
}
