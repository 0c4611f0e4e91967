import BitsSystem
internal import CBitsCUDA
internal import Synchronization

/// Makes machine code of the files in `CBitsCUDA/kernels`, and keeps it.
///
/// Code is kept in a folder under a name made of all that it depends on: sources, options, architecture and compiler. A file that is damaged is made
/// again; a folder that cannot be written costs the time to compile, nothing else. Files appear whole, so that several processes may share the folder.
package enum CUDACompiler {
    /// Where NVRTC was found; nil where it was not.
    package static var path: String? { unsafe CUDADriver.path(of: bits_cuda_compiler_library()) }

    /// NVRTC's version, for instance `13.0`; nil without it.
    package static var version: String? { CUDADriver.version(bits_cuda_compiler_version()) }

    /// Products and sums round as they are written; there is nothing that a kernel does not say.
    package static let options = "--std=c++17 -default-device --fmad=false"

    /// The names of all files.
    package static let files: [String] = {
        var names: [String] = []
        while let name = unsafe bits_cuda_source_name(Int32(names.count)) { unsafe names.append(String(cString: name)) }
        return names
    }()

    /// The text of a file, with what stands before every one.
    package static func source(of file: String) -> String {
        guard let index = files.firstIndex(of: file) else { preconditionFailure("no file of kernels is called '\(file)'") }
        return unsafe "\(String(cString: bits_cuda_prelude()))\n#line 1 \"\(file).cu\"\n\(String(cString: bits_cuda_source_text(Int32(index))))"
    }

    /// What was made or found in this process, each under a lock of its own: who asks for a file that is being compiled waits for it.
    private static let images = Dictionary(uniqueKeysWithValues: files.map { ($0, Image()) })
    /// Whether all files are being compiled already.
    private static let compilesAll = Atomic<Bool>(false)

    private final class Image: Sendable {
        let code = Mutex<[String: [UInt8]]>([:])
    }

    /// Machine code of `file`, kept from an earlier time or compiled now.
    ///
    /// The first file that has to be compiled has all others compiled beside it, as whoever runs one kernel runs most of them.
    ///
    /// - Throws: ``DeviceError/unavailable(_:reason:)`` when there is no compiler, or it refuses the file.
    static func image(of file: String, for architecture: String) throws(DeviceError) -> [UInt8] {
        guard let image = images[file] else { preconditionFailure("no file of kernels is called '\(file)'") }
        return try image.code.withLock { code throws(DeviceError) in
            if let code = code[architecture] { return code }
            let made = try make(file, for: architecture)
            code[architecture] = made
            return made
        }
    }

    private static func make(_ file: String, for architecture: String) throws(DeviceError) -> [UInt8] {
        let source = source(of: file)
        let key = Fingerprint(["\(version ?? "")", architecture, options, source]).text
        let path = folder.map { "\($0)/\(file)-\(architecture)-\(key).cubin" }
        if let path, let kept = KeptImage.read(path, key: key) { return kept }
        if !compilesAll.exchange(true, ordering: .relaxed) {
            for other in files where other != file { Task.detached { _ = try? CUDACompiler.image(of: other, for: architecture) } }
        }
        let image = try compile(source, name: "\(file).cu", for: architecture)
        if let path { KeptImage.write(image, key: key, to: path) }
        return image
    }

    /// Compiles a file; PTX in place of machine code for an architecture that begins with `compute_`.
    package static func compile(_ source: String, name: String, for architecture: String) throws(DeviceError) -> [UInt8] {
        var image: UnsafeMutablePointer<CChar>?
        var count = 0
        let isText = architecture.hasPrefix("compute_")
        let status = unsafe bits_cuda_compile(source, name, architecture, options, isText, &image, &count)
        defer { unsafe free(image) }
        let bytes = unsafe image.map { unsafe [UInt8](UnsafeRawBufferPointer(start: $0, count: count)) } ?? []
        if status == Int32(BITS_CUDA_NO_COMPILER) {
            let problem = unsafe CUDADriver.problem(of: bits_cuda_compiler_library())
            let named = FileSystem.environment("BNB_NVRTC").map { "BNB_NVRTC is '\($0)': \(problem)" }
            throw .unavailable(
                "cuda",
                reason: named
                    ?? "NVIDIA's compiler of kernels (libnvrtc.so.13 or .12) was not found; install the CUDA toolkit, or "
                    + "`pip install nvidia-cuda-nvrtc` and set BNB_NVRTC to the library's path")
        }
        guard status == 0 else {
            throw .unavailable("cuda", reason: "\(name) does not compile for \(architecture): \(String(decoding: bytes, as: UTF8.self))")
        }
        if bytes.isEmpty { throw .unavailable("cuda", reason: "NVRTC made nothing of \(name); there may be too little memory") }
        return bytes
    }

    /// `~/.cache/swift-bitsandbytes/cuda`, or where `BNB_CUDA_CACHE` says; nil where there is no home.
    package static let folder: String? =
        FileSystem.environment("BNB_CUDA_CACHE")
        ?? (FileSystem.environment("XDG_CACHE_HOME") ?? FileSystem.environment("HOME").map { "\($0)/.cache" }).map { "\($0)/swift-bitsandbytes/cuda" }
}

/// A file of machine code: a line that says what it is, then the code. The line tells a file that was cut short or changed from a whole one.
enum KeptImage {
    static func read(_ path: String, key: String) -> [UInt8]? {
        guard let file = try? MappedFile(path: path) else { return nil }
        let bytes = file.bytes(in: 0..<file.byteCount)
        guard let end = bytes.prefix(200).firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        let image = [UInt8](bytes[(end + 1)...])
        return String(decoding: bytes[..<end], as: UTF8.self) == line(for: image, key: key) ? image : nil
    }

    static func write(_ image: [UInt8], key: String, to path: String) {
        // Without a place to keep it the code serves this process alone.
        try? FileSystem.makeFolders(FileSystem.parent(of: path))
        try? AtomicFile.write([UInt8](line(for: image, key: key).utf8) + [UInt8(ascii: "\n")] + image, to: path)
    }

    private static func line(for image: [UInt8], key: String) -> String { "swift-bitsandbytes \(key) \(image.count) \(Fingerprint(image).text)" }
}

/// 128 bits that tell texts apart: two FNV-1a sums of 64, from different beginnings.
struct Fingerprint {
    private var sums: (UInt64, UInt64) = (0xcbf2_9ce4_8422_2325, 0x6c62_272e_07bb_0142)

    init(_ bytes: [UInt8]) { add(bytes) }

    init(_ texts: [String]) {
        for text in texts { add([UInt8](text.utf8) + [0]) }
    }

    private mutating func add(_ bytes: [UInt8]) {
        for byte in bytes {
            sums.0 = (sums.0 ^ UInt64(byte)) &* 0x100_0000_01b3
            sums.1 = (sums.1 ^ UInt64(byte ^ 0x5a)) &* 0x100_0000_01b3
        }
    }

    /// 32 hexadecimal digits.
    var text: String { [sums.0, sums.1].map { String(UInt64(1) << 63 | $0 >> 1, radix: 16) }.joined() }
}
