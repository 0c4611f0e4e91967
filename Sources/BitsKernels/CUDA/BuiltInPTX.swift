internal import CBitsCUDA

/// What `Tools/ptx` made of a file of kernels: a line with the fingerprint of options and source and with the length of each architecture's text, then
/// all texts, packed.
struct BuiltInPTX {
    let file: String
    /// Of the source that it was made of.
    let key: String
    /// Ascending; one with an `a` at its end serves its own generation alone, others those after them too.
    let architectures: [(name: String, byteCount: Int)]
    private let packed: [UInt8]

    /// - Throws: ``DeviceError/unavailable(_:reason:)`` when nothing is built in that belongs to the file's source.
    init(of file: String) throws(DeviceError) {
        var count = 0
        let start = unsafe bits_cuda_source_ptx(file, &count)
        self.init(file, unsafe [UInt8](UnsafeBufferPointer(start: start, count: count)))
        guard key == BuiltInPTX.key(of: file) else {
            throw .unavailable(
                "cuda", reason: "the PTX that is built in belongs to another \(file).cu: run Tools/ptx and build again, or install NVRTC")
        }
    }

    init(_ file: String, _ bytes: [UInt8]) {
        let words = String(decoding: bytes.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self).split(separator: " ")
        self.file = file
        key = words.count > 2 ? String(words[1]) : ""
        architectures = words.dropFirst(2).map { word in
            let parts = word.split(separator: ":")
            return (String(parts[0]), parts.count == 2 ? Int(UInt32(parts[1]) ?? 0) : 0)
        }
        packed = Array(bytes.drop { $0 != UInt8(ascii: "\n") }.dropFirst())
    }

    /// What PTX of `file` has to be known by.
    static func key(of file: String) -> String { Fingerprint([CUDACompiler.options, CUDACompiler.source(of: file)]).text }

    /// The text for GPUs of a compute capability, 90 for 9.0: of the newest architecture that serves them. Ended by 0.
    func text(for computeCapability: Int) throws(DeviceError) -> [CChar] {
        func serves(_ name: String) -> Bool { name.hasSuffix("a") ? name == "\(computeCapability)a" : Int(name) ?? .max <= computeCapability }
        guard let chosen = architectures.lastIndex(where: { serves($0.name) }) else {
            throw .unavailable(
                "cuda", reason: "there is no PTX for compute capability \(computeCapability / 10).\(computeCapability % 10); 7.5 is the oldest")
        }
        let start = architectures[..<chosen].reduce(0) { $0 + $1.byteCount }
        return try unpacked()[start..<start + architectures[chosen].byteCount].map { CChar(bitPattern: $0) } + [0]
    }

    /// All texts in a row.
    func unpacked() throws(DeviceError) -> [UInt8] {
        var isWhole = false
        let byteCount = architectures.reduce(0) { $0 + $1.byteCount }
        let text = unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { memory, count in
            isWhole = unsafe bits_cuda_unpack(packed, packed.count, memory.baseAddress, byteCount)
            count = isWhole ? byteCount : 0
        }
        guard isWhole else {
            throw .unavailable("cuda", reason: "the PTX of \(file).cu that is built in is damaged; build again after Tools/ptx --all")
        }
        return text
    }
}
