public import BitsCore

/// How a checkpoint is spread over files: what Hugging Face's tools call shards.
public struct CheckpointLayout: Sendable {
    public typealias Announcement = (name: String, dtype: DType, shape: [Int])

    /// File names and what they hold, in writing order.
    public let files: [(name: String, tensors: [Announcement])]
    /// Bytes of all tensors.
    public let byteCount: Int
    private let name: String

    /// Fills files in the order of the tensors' names; a tensor larger than the limit gets a file of its own.
    ///
    /// - Parameters:
    ///   - name: of the checkpoint: `model`, `adapter_model`.
    ///   - maximumFileByteCount: 50 GB, as transformers' default.
    public init(_ tensors: [Announcement], name: String = "model", maximumFileByteCount: Int = 50_000_000_000) {
        var shards: [[Announcement]] = []
        var current: [Announcement] = []
        var size = 0
        var total = 0
        for tensor in tensors.sorted(by: { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }) {
            let byteCount = tensor.shape.reduce(tensor.dtype.byteCount, *)
            total += byteCount
            if byteCount > maximumFileByteCount {
                shards.append([tensor])
                continue
            }
            if size + byteCount > maximumFileByteCount {
                shards.append(current)
                current = []
                size = 0
            }
            current.append(tensor)
            size += byteCount
        }
        if !current.isEmpty || shards.isEmpty { shards.append(current) }
        let count = shards.count
        files = shards.enumerated().map { index, tensors in
            (
                count == 1 ? "\(name).safetensors" : "\(name)-\(CheckpointLayout.padded(index + 1))-of-\(CheckpointLayout.padded(count)).safetensors",
                tensors
            )
        }
        byteCount = total
        self.name = name
    }

    private static func padded(_ number: Int) -> String { String(repeating: "0", count: max(0, 5 - String(number).count)) + String(number) }

    /// The index file: its name and contents; nil for a single file.
    public var index: (name: String, contents: JSONValue)? {
        guard files.count > 1 else { return nil }
        var map = JSONObject()
        for file in files {
            for tensor in file.tensors { map[tensor.name] = .string(file.name) }
        }
        let contents: JSONValue = ["metadata": ["total_size": .number(JSONNumber(byteCount))], "weight_map": .object(map.sorted())]
        return ("\(name).safetensors.index.json", contents)
    }
}

extension Checkpoint {
    /// Writes `tensors` into an existing folder, as one file or as shards with an index.
    ///
    /// The index comes last, so that an interrupted write is not taken for a checkpoint.
    ///
    /// - Parameters:
    ///   - folder: written into as it is; pass the work folder of an ``OutputFolder``.
    ///   - contents: gives the tensor of a name when its turn comes, so that only one need be in memory.
    public static func write(
        _ layout: CheckpointLayout, metadata: [String: String] = ["format": "pt"], to folder: String,
        contents: (_ name: String) throws(ModelFileError) -> Tensor
    ) throws(ModelFileError) {
        for file in layout.files {
            var writer = try SafetensorsWriter(path: "\(folder)/\(file.name)", tensors: file.tensors, metadata: metadata)
            for entry in writer.entries { try writer.write(try contents(entry.name)) }
            try writer.commit()
        }
        if let index = layout.index { try index.contents.write(to: "\(folder)/\(index.name)") }
    }
}
