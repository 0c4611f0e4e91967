import BitsSystem
import Testing
import _BitsTestSupport

@Suite("Control groups")
struct ControlGroupTests {
    /// A folder as the system keeps it, and what a process in it may still take.
    private func available(to names: String, in files: [String: String]) throws -> Int? {
        let folder = try TemporaryFolder()
        for (path, text) in files { try folder.write(text, as: path) }
        try folder.write(names, as: "names")
        return ControlGroup(names: "\(folder.path)/names", root: folder.path).availableByteCount
    }

    @Test("The narrowest limit counts, of a group and those around it; pages of files are not in its way")
    func second() throws {
        let files = [
            "outer/memory.max": "1000\n", "outer/memory.current": "900\n",
            "outer/memory.stat": "anon 300\nfile 600\nshmem 50\ninactive_file 900\nslab 9\n",
            "outer/inner/memory.max": "max\n", "outer/inner/memory.current": "100\n",
        ]
        #expect(try available(to: "0::/outer/inner\n", in: files) == 650)
        #expect(try available(to: "0::/outer/inner/gone\n", in: files) == 650)
        #expect(try available(to: "0::/elsewhere\n", in: files) == nil)
    }

    @Test("In a container the group's folder is the root")
    func container() throws {
        #expect(try available(to: "0::/\n", in: ["memory.max": "4096\n", "memory.current": "96\n"]) == 4000)
        #expect(try available(to: "0::/../other\n", in: ["memory.max": "4096\n", "memory.current": "5000\n"]) == 0)
    }

    @Test("Groups of the first version are asked where they control memory")
    func first() throws {
        let files = [
            "memory/docker/a/memory.limit_in_bytes": "2000\n", "memory/docker/a/memory.usage_in_bytes": "1900\n",
            "memory/docker/a/memory.stat": "cache 1\nshmem 1\ntotal_cache 700\ntotal_shmem 100\n",
        ]
        #expect(try available(to: "9:cpu,cpuacct:/docker/a\n4:hugetlb,memory:/docker/a\n0::/\n", in: files) == 700)
        #expect(try available(to: "9:cpu:/docker/a\n", in: files) == nil)
        let unlimited = ["memory/memory.limit_in_bytes": "9223372036854771712\n", "memory/memory.usage_in_bytes": "0\n"]
        #expect(try available(to: "4:memory:/\n", in: unlimited) == nil)
    }

    @Test("What is no list of groups limits nothing")
    func unreadable() throws {
        #expect(try available(to: "", in: [:]) == nil)
        #expect(try available(to: "nothing\n:\n0:\n", in: ["memory.max": "1", "memory.current": "0"]) == nil)
    }
}
