import BitsKernels

/// A folder for one test, removed with what is in it.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = "/tmp/bits-io-\(UInt64.random(in: 0 ... .max))"
        try FileSystem.makeFolder(path)
    }

    deinit { FileSystem.removeFolder(path) }

    /// Puts `bytes` into the file `name`, making folders on the way, and gives its path.
    @discardableResult func write(_ bytes: [UInt8], as name: String) throws -> String {
        var folder = path
        for part in name.split(separator: "/").dropLast() {
            folder += "/\(part)"
            if FileSystem.kind(of: folder) == .missing { try FileSystem.makeFolder(folder) }
        }
        try AtomicFile.write(bytes, to: "\(path)/\(name)")
        return "\(path)/\(name)"
    }

    @discardableResult func write(_ text: String, as name: String) throws -> String { try write(Array(text.utf8), as: name) }

    func bytes(of name: String) throws -> [UInt8] {
        let file = try MappedFile(path: "\(path)/\(name)")
        return file.bytes(in: 0..<file.byteCount)
    }

    func text(of name: String) throws -> String { String(decoding: try bytes(of: name), as: UTF8.self) }

    var names: [String] { get throws { try FileSystem.names(in: path) } }
}

/// A safetensors file of this header and these bytes.
func safetensors(_ header: String, _ data: [UInt8] = []) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) } + Array(header.utf8) + data
}

/// A small generator with a seed, so that a failure repeats.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
