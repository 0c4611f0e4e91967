/// The limits of memory that hold for a process beside the machine's: those of its control group and of the groups around that, of either version.
package struct ControlGroup {
    /// The file that names a process's groups, and the folder below which groups tell of themselves.
    private let names: String
    private let root: String

    package init(names: String = "/proc/self/cgroup", root: String = "/sys/fs/cgroup") { (self.names, self.root) = (names, root) }

    /// Bytes that are left of the narrowest limit: pages of files, which the system drops where it needs room, are counted as left. Nil where there is no
    /// limit.
    package var availableByteCount: Int? {
        let groups = SystemFile.text(of: names)?.split(separator: "\n") ?? []
        return groups.compactMap { available(to: $0) }.min()
    }

    /// - Parameter line: `number:what is controlled:path`; version 2 has number 0 and controls all.
    private func available(to line: Substring) -> Int? {
        let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        guard fields.count == 3 else { return nil }
        var path = String(fields[2])
        let folder: String, limit: String, used: String
        if fields[1].split(separator: ",").contains("memory") {
            (folder, limit, used) = ("\(root)/memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
        } else if fields[0] == "0" {
            (folder, limit, used) = (root, "memory.max", "memory.current")
        } else {
            return nil
        }
        var smallest: Int?
        while true {
            let group = path == "/" ? folder : folder + path
            if let limit = number(in: "\(group)/\(limit)"), limit < .max / 2, let used = number(in: "\(group)/\(used)") {
                smallest = min(smallest ?? .max, max(0, limit - used + filePages(of: group)))
            }
            if path == "/" || path.isEmpty { return smallest }
            path = FileSystem.parent(of: path)
        }
    }

    /// Bytes of pages of files that a group and those within it hold; version 1 tells of the group alone without `total_`. (Lists of such pages have memory in
    /// them that was freed for the system to take and then used again.)
    private func filePages(of group: String) -> Int {
        var counts: [Substring: Int] = [:]
        for line in SystemFile.text(of: "\(group)/memory.stat")?.split(separator: "\n") ?? [] {
            let words = line.split(separator: " ")
            if words.count == 2, let count = Int(words[1]) { counts[words[0]] = count }
        }
        let files = counts["file"] ?? counts["total_cache"] ?? 0
        return max(0, files - (counts["total_shmem"] ?? counts["shmem"] ?? 0))
    }

    /// A limit that is not set is a word in version 2, and a number beyond all memory in version 1.
    private func number(in path: String) -> Int? { SystemFile.line(of: path).flatMap { Int($0) } }
}
