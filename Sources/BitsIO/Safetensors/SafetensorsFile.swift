public import BitsCore
package import BitsSystem

/// A safetensors file, mapped: its header is read and checked at once, its tensors where they are asked for.
public struct SafetensorsFile: TensorFile {
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

    public func tensor(_ entry: SafetensorsEntry, on device: Device, inPlace: Bool) throws(ModelFileError) -> Tensor {
        Tensor(try slice(of: entry, on: device, inPlace: inPlace), shape: entry.shape)
    }
}
