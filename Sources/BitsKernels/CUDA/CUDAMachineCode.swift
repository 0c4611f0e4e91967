import BitsSystem
internal import CBitsCUDA
internal import Synchronization

/// Machine code of the files in `CBitsCUDA/kernels`: compiled by NVRTC, or where there is none made by the driver from PTX that is built in; and kept.
///
/// Code is kept in a folder under a name made of all that it depends on: sources, options, architecture and compiler. A file that is damaged is made
/// again; a folder that cannot be written costs the time to compile, nothing else. Files appear whole, so that several processes may share the folder.
package enum CUDAMachineCode {
    /// What was made or found in this process, each under a lock of its own: who asks for a file that is being made waits for it.
    private static let images = Dictionary(uniqueKeysWithValues: CUDACompiler.files.map { ($0, Image()) })
    /// Whether all files are being made already.
    private static let makesAll = Atomic<Bool>(false)

    private final class Image: Sendable {
        let code = Mutex<[String: [UInt8]]>([:])
    }

    /// Machine code of `file`, kept from an earlier time or made now.
    ///
    /// The first file that has to be made has all others made beside it, as whoever runs one kernel runs most of them.
    ///
    /// - Throws: ``DeviceError/unavailable(_:reason:)`` when the compiler or the driver refuses the file.
    static func image(of file: String, on context: CUDAContext) throws(DeviceError) -> [UInt8] {
        guard let image = images[file] else { preconditionFailure("no file of kernels is called '\(file)'") }
        let architecture = context.properties.architecture
        return try image.code.withLock { code throws(DeviceError) in
            if let code = code[architecture] { return code }
            let made = try make(file, on: context)
            code[architecture] = made
            return made
        }
    }

    private static func make(_ file: String, on context: CUDAContext) throws(DeviceError) -> [UInt8] {
        let architecture = context.properties.architecture
        let usesPTX = isOfPTX(for: context.properties)
        let maker = usesPTX ? "PTX, driver \(CUDADriver.version ?? "")" : "\(CUDACompiler.version ?? "")"
        let key = Fingerprint([maker, architecture, CUDACompiler.options, CUDACompiler.source(of: file)]).text
        let path = folder.map { "\($0)/\(file)-\(architecture)-\(key).cubin" }
        if let path, let kept = KeptImage.read(path, key: key) { return kept }
        if !makesAll.exchange(true, ordering: .relaxed) {
            for other in CUDACompiler.files where other != file { Task.detached { _ = try? CUDAMachineCode.image(of: other, on: context) } }
        }
        let image =
            usesPTX
            ? try assemble(file, on: context)
            : try CUDACompiler.compile(CUDACompiler.source(of: file), name: "\(file).cu", for: architecture)
        if let path { KeptImage.write(image, key: key, to: path) }
        return image
    }

    /// Whether code for a GPU is made from the PTX that is built in: where no compiler is found that knows the GPU. One that is named and cannot be
    /// used is an error.
    package static func isOfPTX(for properties: CUDAProperties) -> Bool {
        CUDACompiler.isOff || CUDACompiler.problem == nil && !CUDACompiler.compiles(for: properties.computeCapability)
    }

    /// Has the driver make machine code of the PTX that is built in.
    private static func assemble(_ file: String, on context: CUDAContext) throws(DeviceError) -> [UInt8] {
        let text = try BuiltInPTX(of: file).text(for: context.properties.computeCapability)
        var image: UnsafeMutablePointer<CChar>?
        var count = 0
        let status = unsafe bits_cuda_assemble(context.pointer, text, file, &image, &count)
        defer { unsafe free(image) }
        let bytes = unsafe image.map { unsafe [UInt8](UnsafeRawBufferPointer(start: $0, count: count)) } ?? []
        guard status == 0, !bytes.isEmpty else {
            throw CUDADriver.refusal(status, of: "\(file)'s PTX", on: "cuda:\(context.ordinal)", saying: String(decoding: bytes, as: UTF8.self))
        }
        return bytes
    }

    /// `~/.cache/swift-bitsandbytes/cuda`, or where `BNB_CUDA_CACHE` says; nil where there is no home.
    package static let folder: String? =
        FileSystem.environment("BNB_CUDA_CACHE")
        ?? (FileSystem.environment("XDG_CACHE_HOME") ?? FileSystem.environment("HOME").map { "\($0)/.cache" }).map { "\($0)/swift-bitsandbytes/cuda" }

    /// Bytes of the files in ``folder``.
    package static var keptByteCount: Int {
        let names = (folder.flatMap { try? FileSystem.names(in: $0) } ?? []).filter { $0.hasSuffix(".cubin") }
        return names.compactMap { name in folder.flatMap { try? MappedFile(path: "\($0)/\(name)").byteCount } }.reduce(0, +)
    }
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
