public import BitsCore
package import BitsKernels
package import BitsSystem

/// A safetensors file, mapped: its header is read and checked at once, its tensors where they are asked for.
public struct SafetensorsFile: Sendable {
    public let file: MappedFile
    /// What the file says about itself; Hugging Face's tools write `format: pt`.
    public let metadata: [String: String]
    /// The tensors in the order of their bytes.
    public let entries: [SafetensorsEntry]
    private let positions: [String: Int]

    /// Reads the header.
    ///
    /// - Throws: ``ModelFileError/malformed(path:_:)`` when the header is truncated, empty or longer than 100 MB, when names repeat, a type is
    ///   unknown, a shape does not fit its bytes, or the tensors do not cover the rest of the file without gap or overlap.
    public init(_ file: MappedFile) throws(ModelFileError) {
        let header = try SafetensorsHeader(file)
        self.file = file
        metadata = header.metadata
        entries = header.entries
        positions = Dictionary(uniqueKeysWithValues: header.entries.enumerated().map { ($1.name, $0) })
    }

    /// Maps and reads the file at `path`.
    public init(path: String) throws(ModelFileError) {
        let file: MappedFile
        do { file = try MappedFile(path: path) } catch { throw .system(error) }
        try self.init(file)
    }

    /// The entry called `name`; nil where there is none.
    public subscript(name: String) -> SafetensorsEntry? { positions[name].map { entries[$0] } }

    /// The tensor of `entry`: in place where `device` can read the host's memory and the bytes are aligned, else copied.
    ///
    /// - Parameter inPlace: false copies in any case. A touch of a tensor in place may bring megabytes of the file around it into memory, so small ones
    ///   that stay are better copied.
    /// - Throws: ``ModelFileError/unsupported(path:_:)`` when tensors cannot have the entry's type.
    public func tensor(_ entry: SafetensorsEntry, on device: Device = .cpu, inPlace: Bool = true) throws(ModelFileError) -> Tensor {
        Tensor(try slice(of: entry, on: device, inPlace: inPlace), shape: entry.shape)
    }

    /// The elements of `entry`; see ``tensor(_:on:inPlace:)``.
    package func slice(of entry: SafetensorsEntry, on device: Device, inPlace: Bool = true) throws(ModelFileError) -> Slice {
        guard let dtype = entry.dtype else {
            throw .unsupported(
                path: file.path,
                "has '\(entry.name)' in \(entry.typeName), which tensors here cannot hold; convert it to F32, F16 or BF16 before loading")
        }
        guard inPlace else { return file.withBytes(in: entry.byteRange) { device.upload(bytes: $0, as: dtype) } }
        return device.contents(of: file, in: entry.byteRange, as: dtype)
    }
}
