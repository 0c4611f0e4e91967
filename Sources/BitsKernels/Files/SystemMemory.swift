import Glibc

/// How much memory the machine, or the group of processes that this one belongs to, has left.
package enum SystemMemory {
    /// Bytes that can be had without paging; nil where the system does not say.
    package static var availableByteCount: Int? {
        let machine = field("MemAvailable:", in: "/proc/meminfo").map { $0 * 1024 }
        return [machine, groupRemainder].compactMap { $0 }.min()
    }

    /// What is left of the limit of this process's control group.
    private static var groupRemainder: Int? {
        guard let groups = text(of: "/proc/self/cgroup") else { return nil }
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

    private static func number(in path: String) -> Int? { text(of: path).flatMap { Int($0.split(separator: "\n").first ?? "") } }

    /// The number behind `name` in a file of lines.
    private static func field(_ name: String, in path: String) -> Int? {
        text(of: path)?.split(separator: "\n").first { $0.hasPrefix(name) }?.split(separator: " ").dropFirst().first.flatMap { Int($0) }
    }

    /// A file of the system's, whose size is not known beforehand.
    private static func text(of path: String) -> String? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8]()
        var part = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = unsafe read(descriptor, &part, part.count)
            if count <= 0 { break }
            bytes += part[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
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
