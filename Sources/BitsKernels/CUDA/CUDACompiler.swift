import BitsSystem
internal import CBitsCUDA

/// NVIDIA's compiler of kernels, NVRTC, where it is found, and the files in `CBitsCUDA/kernels` that it compiles.
package enum CUDACompiler {
    /// Where NVRTC was found; nil where it was not.
    package static var path: String? { unsafe CUDADriver.path(of: bits_cuda_compiler_library()) }

    /// NVRTC's version, for instance `13.0`; nil without it.
    package static var version: String? { CUDADriver.version(bits_cuda_compiler_version()) }

    /// Whether no compiler is to be used: `BNB_NVRTC=off`.
    package static let isOff = FileSystem.environment("BNB_NVRTC") == "off"

    /// Why the compiler that `BNB_NVRTC` names cannot be used; nil where none is named, or it can.
    package static var problem: String? {
        isOff ? nil : unsafe CUDADriver.complaint(of: bits_cuda_compiler_library(), namedBy: "BNB_NVRTC")
    }

    /// Why there is none, and what to do about it.
    package static var absence: String {
        unsafe CUDADriver.absence(of: bits_cuda_compiler_library(), called: "NVRTC", namedBy: "BNB_NVRTC", wheel: "nvidia-cuda-nvrtc")
    }

    /// Whether it knows GPUs of this compute capability, 90 for 9.0.
    package static func compiles(for computeCapability: Int) -> Bool { bits_cuda_compiler_knows(Int32(computeCapability)) }

    /// Products and sums round as they are written; there is nothing that a kernel does not say.
    package static let options = "--std=c++17 -default-device --fmad=false"

    /// The names of all files.
    package static let files: [String] = {
        var names: [String] = []
        while let name = unsafe bits_cuda_source_name(Int32(names.count)) { unsafe names.append(String(cString: name)) }
        return names
    }()

    /// The text of a file, with what stands before every one, and headers in place of the lines that include them.
    package static func source(of file: String) -> String {
        guard let index = files.firstIndex(of: file) else { preconditionFailure("no file of kernels is called '\(file)'") }
        let lines = unsafe String(cString: bits_cuda_source_text(Int32(index))).split(separator: "\n", omittingEmptySubsequences: false)
        let expanded = lines.enumerated().map { number, line in
            header(includedBy: line).map { "#line 1 \"\($0.name)\"\n\($0.text)#line \(number + 2) \"\(file).cu\"" } ?? String(line)
        }
        return unsafe "\(String(cString: bits_cuda_prelude()))\n#line 1 \"\(file).cu\"\n\(expanded.joined(separator: "\n"))"
    }

    private static func header(includedBy line: Substring) -> (name: String, text: String)? {
        guard line.hasPrefix("#include \""), line.hasSuffix("\"") else { return nil }
        let name = String(line.dropFirst(10).dropLast())
        guard let text = unsafe bits_cuda_header_text(name) else { preconditionFailure("no header of kernels is called '\(name)'") }
        return unsafe (name, String(cString: text))
    }

    /// Compiles a file; PTX in place of machine code for an architecture that begins with `compute_`.
    package static func compile(_ source: String, name: String, for architecture: String) throws(DeviceError) -> [UInt8] {
        var image: UnsafeMutablePointer<CChar>?
        var count = 0
        let isText = architecture.hasPrefix("compute_")
        let status = unsafe bits_cuda_compile(source, name, architecture, options, isText, &image, &count)
        defer { unsafe free(image) }
        let bytes = unsafe image.map { unsafe [UInt8](UnsafeRawBufferPointer(start: $0, count: count)) } ?? []
        if status == Int32(BITS_CUDA_NO_COMPILER) { throw .unavailable("cuda", reason: absence) }
        guard status == 0 else {
            throw .unavailable("cuda", reason: "\(name) does not compile for \(architecture): \(String(decoding: bytes, as: UTF8.self))")
        }
        if bytes.isEmpty { throw .unavailable("cuda", reason: "NVRTC made nothing of \(name); there may be too little memory") }
        return bytes
    }
}
