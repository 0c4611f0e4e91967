public import BitsCore
package import BitsKernels

/// A file of named tensors, mapped, whatever its form: ``SafetensorsFile``, ``PyTorchFile``.
public protocol TensorFile: Sendable {
    var file: MappedFile { get }
    /// What the file says about itself.
    var metadata: [String: String] { get }
    /// What it holds.
    var entries: [SafetensorsEntry] { get }

    /// The entry called `name`; nil where there is none.
    subscript(name: String) -> SafetensorsEntry? { get }

    /// Whether the elements of `entry` lie one after the other, the last axis first.
    func liesInRow(_ entry: SafetensorsEntry) -> Bool

    /// The tensor of `entry`: in place where `device` can read the host's memory and the bytes are aligned, else copied.
    ///
    /// - Parameter inPlace: false copies in any case. A touch of a tensor in place may bring megabytes of the file around it into memory, so small ones
    ///   that stay are better copied.
    /// - Throws: ``ModelFileError/unsupported(path:_:)`` when tensors cannot have the entry's type.
    func tensor(_ entry: SafetensorsEntry, on device: Device, inPlace: Bool) throws(ModelFileError) -> Tensor
}

extension TensorFile {
    public func liesInRow(_ entry: SafetensorsEntry) -> Bool { true }

    /// The tensor of `entry`, see ``tensor(_:on:inPlace:)``.
    public func tensor(_ entry: SafetensorsEntry, on device: Device = .cpu) throws(ModelFileError) -> Tensor {
        try tensor(entry, on: device, inPlace: true)
    }

    /// The elements of `entry` from its first to its last, as they lie; see ``tensor(_:on:inPlace:)``.
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
