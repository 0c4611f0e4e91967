internal import CBitsSystem

/// How much memory the machine, or the group of processes that this one belongs to, has left.
package enum SystemMemory {
    /// Bytes that can be had without paging; nil where the system does not say.
    package static var availableByteCount: Int? {
        let machine = SystemFile.byteCount("MemAvailable", of: "/proc/meminfo")
        return [machine, groupRemainder].compactMap { $0 }.min()
    }

    /// Whether the system could give `byteCount` more, with what it can page out: it promises more than that, and ends the process when it is used.
    package static func has(_ byteCount: Int) -> Bool {
        availableByteCount.map { byteCount <= $0 + (SystemFile.byteCount("SwapFree", of: "/proc/meminfo") ?? 0) } ?? true
    }

    /// Bytes of the machine's memory; nil where the system does not say.
    package static var totalByteCount: Int? { SystemFile.byteCount("MemTotal", of: "/proc/meminfo") }

    /// The most bytes that this process has held so far, mapped files that were touched included; nil where the system does not say.
    package static var peakByteCount: Int? { SystemFile.byteCount("VmHWM", of: "/proc/self/status") }

    /// Has the C library keep the memory of freed blocks smaller than `byteCount` (and twice that) for the next ones.
    package static func keepSmallBlocks(below byteCount: Int) { bits_memory_keep_small_blocks(Int64(byteCount)) }

    /// What is left of the limit of this process's control group.
    private static var groupRemainder: Int? {
        guard let groups = SystemFile.text(of: "/proc/self/cgroup") else { return nil }
        var smallest: Int?
        for line in groups.split(separator: "\n") where line.hasPrefix("0::") {
            var path = String(line.dropFirst(3))
            while true {
                let folder = "/sys/fs/cgroup" + (path == "/" ? "" : path)
                if let limit = number(in: "\(folder)/memory.max"), let used = number(in: "\(folder)/memory.current") {
                    smallest = min(smallest ?? Int.max, max(0, limit - used))
                }
                if path == "/" || path.isEmpty { break }
                path = FileSystem.parent(of: path)
            }
        }
        return smallest
    }

    private static func number(in path: String) -> Int? { SystemFile.line(of: path).flatMap { Int($0) } }
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
