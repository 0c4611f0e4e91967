public import BitsCore
package import BitsKernels
import BitsSystem

/// Writes a safetensors file byte for byte as Python's `safetensors` does.
///
/// The tensors are announced first, then written in the order of ``entries``, so that they need not be in memory together. The file appears
/// under its name with ``commit()``; dropped before that, it leaves nothing behind.
public struct SafetensorsWriter: ~Copyable {
    /// What will be in the file: wider element types first, then by name.
    public let entries: [SafetensorsEntry]
    private var file: AtomicFile
    private var next = 0

    /// Opens a temporary file beside `path` and writes the header.
    ///
    /// - Parameters:
    ///   - tensors: name, type and shape of each tensor; names must differ.
    ///   - metadata: written in the order of its keys.
    /// - Throws: ``ModelFileError/system(_:)`` when `path` cannot be written.
    public init(
        path: String, tensors: [(name: String, dtype: DType, shape: [Int])], metadata: [String: String] = ["format": "pt"]
    ) throws(ModelFileError) {
        let header = SafetensorsWriter.header(tensors, metadata)
        file = try SafetensorsWriter.file(path, startingWith: header.bytes)
        entries = header.entries
    }

    private static func file(_ path: String, startingWith bytes: [UInt8]) throws(ModelFileError) -> AtomicFile {
        do {
            var file = try AtomicFile(path: path)
            try file.write(bytes)
            return file
        } catch { throw .system(error) }
    }

    /// Writes the next tensor of ``entries``.
    package mutating func write(_ contents: Slice) throws(ModelFileError) {
        precondition(next < entries.count, "all \(entries.count) tensors are written already")
        let entry = entries[next]
        precondition(
            contents.dtype == entry.dtype && contents.byteCount == entry.byteCount,
            "'\(entry.name)' was announced as \(entry.typeName) of \(entry.byteCount) bytes, not \(contents.dtype.rawValue) of \(contents.byteCount)")
        // A copy on the host of at most 8 MB at a time.
        let step = (8 << 20) / contents.dtype.byteCount
        for start in stride(from: 0, to: contents.count, by: step) {
            let bytes: [UInt8]
            do { bytes = try contents[start..<min(start + step, contents.count)].downloadBytes() } catch { throw .device(error) }
            do { try file.write(bytes) } catch { throw .system(error) }
        }
        next += 1
    }

    /// Writes the next tensor of ``entries``.
    ///
    /// - Throws: ``ModelFileError/system(_:)`` when the disk is full or fails, ``ModelFileError/device(_:)`` when the work that leads to the
    ///   tensor failed.
    public mutating func write(_ tensor: Tensor) throws(ModelFileError) {
        precondition(tensor.shape == entries[min(next, entries.count - 1)].shape, "shape \(tensor.shape) is not what was announced")
        try write(tensor.elements)
    }

    /// Makes the file appear under its name; all tensors must have been written.
    public consuming func commit() throws(ModelFileError) {
        precondition(next == entries.count, "\(entries.count - next) of \(entries.count) tensors are not written yet")
        do { try file.commit() } catch { throw .system(error) }
    }

    private static func header(
        _ tensors: [(name: String, dtype: DType, shape: [Int])], _ metadata: [String: String]
    ) -> (entries: [SafetensorsEntry], bytes: [UInt8]) {
        let sorted = tensors.sorted { a, b in
            let (first, second) = (SafetensorsType(a.dtype).rank, SafetensorsType(b.dtype).rank)
            return first != second ? first > second : a.name.utf8.lexicographicallyPrecedes(b.name.utf8)
        }
        var json = [UInt8]("{".utf8)
        if !metadata.isEmpty {
            let pairs = metadata.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { "\(quoted($0.key)):\(quoted($0.value))" }
            json += Array("\"__metadata__\":{\(pairs.joined(separator: ","))}".utf8)
        }
        var offsets = [Range<Int>]()
        var offset = 0
        for tensor in sorted {
            let end = offset + tensor.shape.reduce(tensor.dtype.byteCount, *)
            offsets.append(offset..<end)
            let shape = tensor.shape.map(String.init).joined(separator: ",")
            let type = SafetensorsType(tensor.dtype).rawValue
            let text = "\(quoted(tensor.name)):{\"dtype\":\"\(type)\",\"shape\":[\(shape)],\"data_offsets\":[\(offset),\(end)]}"
            json += Array((json.count > 1 ? ",\(text)" : text).utf8)
            offset = end
        }
        json.append(UInt8(ascii: "}"))
        while json.count % 8 != 0 { json.append(UInt8(ascii: " ")) }
        let length = (0..<8).map { UInt8(truncatingIfNeeded: json.count >> (8 * $0)) }
        let start = 8 + json.count
        let entries = zip(sorted, offsets).map { tensor, range in
            let type = SafetensorsType(tensor.dtype)
            return SafetensorsEntry(
                name: tensor.name, typeName: type.rawValue, dtype: tensor.dtype, shape: tensor.shape,
                byteRange: start + range.lowerBound..<start + range.upperBound)
        }
        precondition(Set(sorted.map(\.name)).count == sorted.count, "two tensors have the same name")
        return (entries, length + json)
    }

    /// A JSON string as Rust's serde writes it: only quotes, backslashes and control characters escaped.
    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\u{8}": result += "\\b"
            case "\u{c}": result += "\\f"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\0"..<" ": result += "\\u00\(scalar.value < 16 ? "0" : "")\(String(scalar.value, radix: 16))"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

extension SafetensorsFile {
    /// Writes `tensors` as one file.
    ///
    /// - Parameter metadata: transformers wants `format: pt` when it reads the file.
    public static func write(
        _ tensors: [String: Tensor], metadata: [String: String] = ["format": "pt"], to path: String
    ) throws(ModelFileError) {
        let announced = tensors.map { (name: $0.key, dtype: $0.value.dtype, shape: $0.value.shape) }
        var writer = try SafetensorsWriter(path: path, tensors: announced, metadata: metadata)
        for entry in writer.entries {
            if let tensor = tensors[entry.name] { try writer.write(tensor) }
        }
        try writer.commit()
    }
}
