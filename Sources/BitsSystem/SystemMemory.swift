internal import CBitsSystem

/// How much memory the machine, or the group of processes that this one belongs to, has left.
package enum SystemMemory {
    /// Bytes that can be had without paging; nil where the system does not say.
    package static var availableByteCount: Int? {
        let machine = SystemFile.byteCount("MemAvailable", of: "/proc/meminfo")
        return [machine, ControlGroup().availableByteCount].compactMap { $0 }.min()
    }

    /// Whether the system could give `byteCount` more, with what it can page out: it promises more than that, and ends the process when it is used.
    package static func has(_ byteCount: Int) -> Bool {
        availableByteCount.map { byteCount <= $0 + (SystemFile.byteCount("SwapFree", of: "/proc/meminfo") ?? 0) } ?? true
    }

    /// How much at least of the `mapped` bytes that this process has asked for it never wrote to: the system still counts that as left.
    package static func untouchedByteCount(of mapped: Int) -> Int {
        SystemFile.byteCount("RssAnon", of: "/proc/self/status").map { max(0, mapped - $0) } ?? 0
    }

    /// Bytes of the machine's memory; nil where the system does not say.
    package static var totalByteCount: Int? { SystemFile.byteCount("MemTotal", of: "/proc/meminfo") }

    /// The most bytes that this process has held so far, mapped files that were touched included; nil where the system does not say.
    package static var peakByteCount: Int? { SystemFile.byteCount("VmHWM", of: "/proc/self/status") }

    /// Has the C library keep the memory of freed blocks smaller than `byteCount` (and twice that) for the next ones.
    package static func keepSmallBlocks(below byteCount: Int) { bits_memory_keep_small_blocks(Int64(byteCount)) }
}

/// What the process has waited for so far.
package enum PageFaults {
    /// Faults that had to read from disk.
    package static var major: Int {
        var usage = rusage()
        guard unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return 0 }
        return usage.ru_majflt
    }
}
