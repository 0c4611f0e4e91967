import BitsKernels
import Synchronization

/// The conditions under which a kernel has to give the same result.
public enum ProcessorConditions {
    private static let turn = Mutex(())
    /// Says once a run what was compared: a level that the processor lacks is no failure, and should not look like a success.
    public static let announcement: Void = {
        let lacking = Processor.Level.allCases.filter { $0 > Processor.level }
        let tested = Processor.Level.allCases.filter { $0 <= Processor.level }
        print(
            "kernels are compared at the levels \(tested.map(\.name).joined(separator: ", "))"
                + (lacking.isEmpty ? "" : "; not at \(lacking.map(\.name).joined(separator: ", ")), which this processor lacks or BNB_CPU forbids"))
    }()

    /// Runs `body` once for every level of this processor with 1, 2 and 3 threads, and for AVX-512 without what later processors add to it, as the
    /// first ones were; names the condition to it.
    ///
    /// Level and thread count belong to the process, so one caller at a time has them; afterwards they are as before.
    public static func forEach(_ body: (_ condition: String) throws -> Void) rethrows {
        // Another device knows nothing of these.
        if Device.tested != .cpu { return try body(Device.tested.name) }
        try turn.withLock { _ in
            let (level, threads) = (Processor.level, Processor.threadCount)
            defer {
                Processor.cap(level)
                Processor.setThreadCount(threads)
            }
            for candidate in Processor.Level.allCases where candidate <= level {
                Processor.cap(candidate)
                for count in 1...3 {
                    Processor.setThreadCount(count)
                    try body("\(candidate.name), \(count) \(count == 1 ? "thread" : "threads")")
                }
                guard candidate == .avx512, !Processor.features.isEmpty else { continue }
                Processor.cap(candidate, features: [])
                Processor.setThreadCount(2)
                try body("avx512 alone, 2 threads")
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
