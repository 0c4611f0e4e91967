public import BitsCore
import BitsKernels

/// A file of tensors as `torch.save` writes it (`.bin`, `.pt`), mapped: what it holds is read and checked at once, its tensors where they are asked for.
///
/// A zip archive, or the form before PyTorch 1.6. Both describe tensors by a pickle, of which the instructions that tensors need are read and nothing is
/// executed. A tensor in dictionaries or lists within has the path of their keys as its name, with dots.
public struct PyTorchFile: TensorFile {
    public let file: MappedFile
    /// The tensors, by name.
    public let entries: [SafetensorsEntry]
    private let positions: [String: Int]
    /// Strides of the tensors whose elements do not lie in a row.
    private let strides: [String: [Int]]

    /// Reads what describes the tensors.
    ///
    /// - Throws: ``ModelFileError/unsupported(path:_:)`` for a pickle that asks for what tensors do not need, named; ``ModelFileError/malformed(path:_:)`` for a
    ///   file that is no archive, is cut short, or has tensors that do not lie in their storages.
    public init(_ file: MappedFile) throws(ModelFileError) {
        let contents = if ZipArchive.begins(file) { try PyTorchContents(archive: file) } else { try PyTorchContents(sequence: file) }
        self.file = file
        var (entries, strides): ([SafetensorsEntry], [String: [Int]]) = ([], [:])
        for (name, tensor) in try contents.tensors() {
            guard let range = contents.ranges[tensor.storage.key] else {
                throw .malformed(path: file.path, "has no elements of '\(name)'; it is cut short or damaged, download it again")
            }
            let width = tensor.storage.type.bitCount / 8
            guard let span = tensor.span, range.count >= width, tensor.storage.count <= range.count / width, span.upperBound <= tensor.storage.count
            else {
                throw .malformed(path: file.path, "has '\(name)' \(tensor.shape) outside of its storage; it is damaged, download it again")
            }
            entries.append(
                SafetensorsEntry(
                    name: name, typeName: tensor.storage.type.rawValue, dtype: tensor.storage.type.dtype, shape: tensor.shape,
                    byteRange: range.lowerBound + span.lowerBound * width..<range.lowerBound + span.upperBound * width))
            if !tensor.isContiguous { strides[name] = tensor.strides }
        }
        entries.sort { $0.name < $1.name }
        self.entries = entries
        self.strides = strides
        positions = Dictionary(entries.enumerated().map { ($1.name, $0) }) { first, _ in first }
        guard positions.count == entries.count else { throw .malformed(path: file.path, "has two tensors of one name; save it again") }
    }

    public var metadata: [String: String] { [:] }

    public subscript(name: String) -> SafetensorsEntry? { positions[name].map { entries[$0] } }

    public func liesInRow(_ entry: SafetensorsEntry) -> Bool { strides[entry.name] == nil }

    public func tensor(_ entry: SafetensorsEntry, on device: Device, inPlace: Bool) throws(ModelFileError) -> Tensor {
        guard let strides = strides[entry.name] else { return Tensor(try slice(of: entry, on: device, inPlace: inPlace), shape: entry.shape) }
        return Tensor(try slice(of: entry, on: device, inPlace: inPlace), shape: entry.shape, strides: strides).contiguous()
    }
}

extension PickleTensor {
    /// The elements of the storage from the first to the last of the tensor's; nil where numbers are too large, or where more are asked for than there are.
    fileprivate var span: Range<Int>? {
        guard let count = Shape.checkedCount(shape) else { return nil }
        if count == 0 { return 0..<0 }
        var last = offset
        for (extent, stride) in zip(shape, strides) {
            let (step, overflow) = (extent - 1).multipliedReportingOverflow(by: stride)
            let (sum, tooFar) = last.addingReportingOverflow(step)
            if overflow || tooFar { return nil }
            last = sum
        }
        // One element shown as many would take more memory than the file has.
        guard last < storage.count, count <= storage.count else { return nil }
        return offset..<last + 1
    }

    /// Whether the elements lie in a row.
    fileprivate var isContiguous: Bool {
        var expected = 1
        for (extent, stride) in zip(shape, strides).reversed() where extent != 1 {
            if stride != expected { return shape.contains(0) }
            expected *= extent
        }
        return true
    }
}
