import BitsIO
import BitsSystem

/// What belongs to a checkpoint: its files with their sizes and checks, written last. A checkpoint without one, or with other files, is none.
struct CheckpointManifest {
    static let name = "manifest.json"

    private struct Entry: Equatable {
        var byteCount: Int
        var check: String
    }

    private let entries: [(name: String, entry: Entry)]

    /// Of the files in `folder` as they are.
    init(of folder: String) throws(ModelFileError) {
        var entries: [(String, Entry)] = []
        for name in try CheckpointManifest.names(in: folder) { entries.append((name, try CheckpointManifest.entry(of: "\(folder)/\(name)"))) }
        self.entries = entries
    }

    var json: JSONValue {
        var files = JSONObject()
        for (name, entry) in entries { files[name] = ["size": .number(JSONNumber(entry.byteCount)), "crc32c": .string(entry.check)] }
        return ["files": .object(files)]
    }

    /// Why the checkpoint in `folder` is not whole; nil for one that is.
    static func objection(to folder: String) -> String? {
        do {
            let fields = try ConfigurationFields(mapped("\(folder)/\(name)"))
            guard let files = try fields.section("files") else { return "\(name) lists no files" }
            let present = Set(try names(in: folder))
            if let missing = files.object.keys.first(where: { !present.contains($0) }) { return "\(missing) is missing" }
            if let other = present.sorted().first(where: { files.object[$0] == nil }) { return "\(other) does not belong to it" }
            for file in files.object.keys {
                guard let listed = try files.section(file) else { return "\(name) does not tell the size of \(file)" }
                let (size, check) = (try listed.require("size", as: Int.self), try listed.require("crc32c", as: String.self))
                let found = try mapped("\(folder)/\(file)")
                if found.byteCount != size { return "\(file) has \(found.byteCount) bytes, not \(size)" }
                if CheckpointManifest.check(of: found) != check { return "\(file) is damaged" }
            }
            return nil
        } catch {
            return "\(error)"
        }
    }

    private static func names(in folder: String) throws(ModelFileError) -> [String] {
        do { return try FileSystem.names(in: folder).filter { $0 != name } } catch { throw .system(error) }
    }

    private static func mapped(_ path: String) throws(ModelFileError) -> MappedFile {
        do { return try MappedFile(path: path) } catch { throw .system(error) }
    }

    private static func entry(of path: String) throws(ModelFileError) -> Entry {
        let file = try mapped(path)
        return Entry(byteCount: file.byteCount, check: check(of: file))
    }

    private static func check(of file: MappedFile) -> String {
        var check = CRC32C()
        for start in stride(from: 0, to: file.byteCount, by: 4 << 20) {
            let part = start..<min(start + 4 << 20, file.byteCount)
            check.append(file.bytes(in: part))
            file.release(part)
        }
        return String(check.value, radix: 16)
    }
}
