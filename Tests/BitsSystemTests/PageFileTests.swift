import BitsSystem
import Testing
import _BitsTestSupport

@Suite("Paged memory")
struct PageFileTests {
    @Test("A disk without room is an error that says so, and what is there stays usable")
    func full() throws {
        let folder = try TemporaryFolder()
        let file = try PageFile(folder: folder.path)
        let first = try file.reserve(byteCount: 5000)
        do {
            _ = try file.reserve(byteCount: 1 << 62)
            Issue.record("no error")
        } catch {
            #expect("\(error)".contains("\(folder.path): has no room for 4611686018427387904 bytes of paged memory"), "\(error)")
            #expect("\(error)".contains("free some, or name another folder"), "\(error)")
        }
        #expect(file.byteCount == first.byteCount)
        #expect(try file.reserve(byteCount: 1).byteCount > 0)
    }

    @Test("A folder that is not there, or no folder, is an error that names it", arguments: ["/nowhere/at/all", "/proc", "/dev/null"])
    func unusable(folder: String) {
        #expect(throws: FileError.self) { try PageFile(folder: folder) }
    }
}
