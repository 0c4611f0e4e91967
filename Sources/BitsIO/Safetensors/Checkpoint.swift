public import BitsCore

/// The tensors of a model: one file, or several with an index; safetensors, or where there are none what `torch.save` wrote.
///
/// Headers are read when it is opened, tensors when they are asked for.
public struct Checkpoint: Sendable {
    /// The files, in the order of their names.
    public private(set) var files: [any TensorFile]
    private var positions: [String: (file: Int, entry: SafetensorsEntry)] = [:]

    /// One file.
    public init(_ file: any TensorFile) {
        files = [file]
        for entry in file.entries { positions[entry.name] = (0, entry) }
    }

    /// The checkpoint in `folder`: `<name>.safetensors` where it is there, else the shards that `<name>.safetensors.index.json` lists, else the same as
    /// PyTorch saves it: `pytorch_<name>.bin` of a model, `<name>.bin` of an adapter, or the shards of its index.
    ///
    /// - Parameter name: `model`; an adapter's is `adapter_model`.
    /// - Throws: ``ModelFileError`` when there is none of them, a shard is missing, damaged or outside the folder, or does not hold what the
    ///   index says, or two shards hold a tensor of one name.
    public init(_ folder: ModelFolder, name: String = "model") throws(ModelFileError) {
        let pickled = name == "model" ? "pytorch_model" : name
        let names = ["\(name).safetensors", "\(pickled).bin"]
        var found: MappedFile?
        for name in names where found == nil {
            if let file = try folder.fileIfPresent(name) {
                self = Checkpoint(try Checkpoint.open(file))
                return
            }
            found = try folder.fileIfPresent("\(name).index.json")
        }
        guard let index = found else { throw folder.missing(names[0], or: "a \(names[0]).index.json with its shards, nor \(names[1])") }
        let shards = try Checkpoint.shards(index)
        let shardNames = Set(shards.map(\.file)).sorted()
        let missing = shardNames.filter { !folder.contains($0) }
        guard missing.isEmpty else {
            throw .malformed(path: index.path, "lists \(missing.joined(separator: ", ")), not there; download the model again")
        }
        var files: [any TensorFile] = []
        for name in shardNames { files.append(try Checkpoint.open(folder.file(name))) }
        self.files = files
        try Checkpoint.checkNames(files, index: index)
        for shard in shards {
            let file = shardNames.firstIndex(of: shard.file) ?? 0
            guard let entry = files[file][shard.tensor] else {
                throw .malformed(path: index.path, "says that '\(shard.tensor)' is in \(shard.file), where it is not; download the model again")
            }
            positions[shard.tensor] = (file, entry)
        }
    }

    /// The file in the form that its name says.
    private static func open(_ file: MappedFile) throws(ModelFileError) -> any TensorFile {
        if file.path.hasSuffix(".safetensors") { try SafetensorsFile(file) } else { try PyTorchFile(file) }
    }

    /// A tensor that two files have: which one is meant?
    private static func checkNames(_ files: [any TensorFile], index: MappedFile) throws(ModelFileError) {
        var owners: [String: String] = [:]
        for file in files {
            for entry in file.entries {
                guard let other = owners.updateValue(file.file.path, forKey: entry.name) else { continue }
                throw .malformed(
                    path: index.path, "lists files that both have '\(entry.name)': \(other) and \(file.file.path); download the model again")
            }
        }
    }

    private static func shards(_ index: MappedFile) throws(ModelFileError) -> [(tensor: String, file: String)] {
        let fields = try ConfigurationFields(index)
        let map = try fields.require("weight_map", as: JSONObject.self)
        var shards = [(tensor: String, file: String)]()
        for tensor in map.keys {
            guard case .string(let file) = map[tensor], !file.isEmpty else {
                throw .malformed(path: index.path, "has no file name for '\(tensor)' in weight_map")
            }
            guard !file.contains("/"), !file.contains("\\"), file != ".", file != ".." else {
                throw .malformed(path: index.path, "puts '\(tensor)' into '\(file)'; only a file in the same folder is read")
            }
            shards.append((tensor, file))
        }
        return shards
    }

    /// The names of all tensors, sorted.
    public var names: [String] { positions.keys.sorted() }

    /// The entry called `name`; nil where there is none.
    public subscript(name: String) -> SafetensorsEntry? { positions[name]?.entry }

    /// Bytes of all tensors.
    public var byteCount: Int { positions.values.reduce(0) { $0 + $1.entry.byteCount } }

    /// The tensor called `name`: in place where `device` can read the host's memory, else copied; nil where there is none.
    ///
    /// - Parameter inPlace: false copies in any case; see ``TensorFile/tensor(_:on:inPlace:)``.
    /// - Throws: ``ModelFileError/unsupported(path:_:)`` when tensors cannot have its type.
    public func tensor(_ name: String, on device: Device = .cpu, inPlace: Bool = true) throws(ModelFileError) -> Tensor? {
        guard let (file, entry) = positions[name] else { return nil }
        return try files[file].tensor(entry, on: device, inPlace: inPlace)
    }

    /// Puts `parts` in the place of the entry called `name`: equally large, they lie in it one after the other. Nothing is changed where the entry does not
    /// lie in a row, or there is one of their names already.
    package mutating func cut(_ name: String, into parts: [(name: String, shape: [Int])]) {
        guard let (file, entry) = positions[name], files[file].liesInRow(entry), !parts.isEmpty, entry.byteCount % parts.count == 0,
            parts.allSatisfy({ positions[$0.name] == nil })
        else { return }
        let byteCount = entry.byteCount / parts.count
        positions[name] = nil
        for (index, part) in parts.enumerated() {
            let start = entry.byteRange.lowerBound + index * byteCount
            let own = SafetensorsEntry(
                name: part.name, typeName: entry.typeName, dtype: entry.dtype, shape: part.shape, byteRange: start..<start + byteCount)
            positions[part.name] = (file, own)
        }
    }

    /// Says that the tensor called `name` will hardly be read again: its pages go back to the system. Tensors in place stay valid, and are read from
    /// the file again when they are touched.
    public func release(_ name: String) {
        guard let (file, entry) = positions[name] else { return }
        files[file].file.release(entry.byteRange)
    }
}
