internal import BitsCore

/// What a file of `torch.save` holds: the value of its pickle, and where the elements of each storage lie.
struct PyTorchContents {
    private let file: MappedFile
    private let root: PickleValue
    private let arena: PickleArena
    /// The bytes of each storage, by its key.
    let ranges: [String: Range<Int>]

    /// The archive that PyTorch writes from 1.6 on: `data.pkl`, and a member for each storage beside it.
    init(archive file: MappedFile) throws(ModelFileError) {
        let archive = try ZipArchive(file)
        guard let pickle = archive.members.values.filter({ $0.name.hasSuffix("/data.pkl") || $0.name == "data.pkl" }).min(by: { $0.name < $1.name })
        else {
            throw .malformed(path: file.path, "is a zip archive without data.pkl; a file that torch.save wrote was expected")
        }
        let folder = String(pickle.name.dropLast("data.pkl".count))
        if let order = archive.members["\(folder)byteorder"] {
            let text = String(decoding: file.bytes(in: try archive.range(of: order)), as: UTF8.self)
            guard text == "little" else { throw .unsupported(path: file.path, "has the byte order '\(text.prefix(16))'; supported is little") }
        }
        let place = try archive.range(of: pickle)
        guard place.count <= PickleReader.maximumByteCount else {
            throw .unsupported(path: file.path, "describes its tensors by \(place.count) bytes; at most \(PickleReader.maximumByteCount) are read")
        }
        var reader = PickleReader(LittleEndianFields(file.bytes(in: place), file: file, at: place.lowerBound))
        root = try reader.value()
        var ranges: [String: Range<Int>] = [:]
        for member in archive.members.values where member.name.hasPrefix("\(folder)data/") {
            ranges[String(member.name.dropFirst("\(folder)data/".count))] = try archive.range(of: member)
        }
        (self.file, arena, self.ranges) = (file, reader.arena, ranges)
    }

    /// The form before PyTorch 1.6: pickles one after the other (a number that marks it, the protocol, the machine, the value, the storages' keys), then each
    /// storage with its number of elements before it.
    init(sequence file: MappedFile) throws(ModelFileError) {
        let mark: [UInt8] = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e]
        guard file.byteCount > mark.count, file.bytes(in: 0..<mark.count) == mark else {
            throw .malformed(
                path: file.path, "is neither the zip archive that torch.save writes nor the form before it; it is damaged, or of another kind")
        }
        let end = min(file.byteCount, PickleReader.maximumByteCount)
        var reader = PickleReader(LittleEndianFields(file.bytes(in: mark.count..<end), file: file, at: mark.count))
        _ = try reader.value()
        _ = try reader.value()
        root = try reader.value()
        let keys = try reader.value()
        arena = reader.arena
        self.file = file
        var (ranges, place): ([String: Range<Int>], Int) = ([:], reader.place)
        let types = reader.storages
        guard case .list(let list) = keys else { throw .malformed(path: file.path, "has no list of its storages; it is damaged, download it again") }
        for key in arena.lists[list] {
            guard case .text(let key) = key, let type = types[key], place <= file.byteCount - 8 else {
                throw .malformed(path: file.path, "has no storage where its list says; it is cut short or damaged, download it again")
            }
            var count = LittleEndianFields(file.bytes(in: place..<place + 8), file: file, at: place)
            let (byteCount, overflow) = try count.next(8).multipliedReportingOverflow(by: type.bitCount / 8)
            place += 8
            guard !overflow, byteCount >= 0, byteCount <= file.byteCount - place else {
                throw .malformed(path: file.path, "has \(byteCount) bytes of a storage at byte \(place), where they do not fit; it is cut short")
            }
            ranges[key] = place..<place + byteCount
            place += byteCount
        }
        self.ranges = ranges
    }

    /// All tensors, each under the path of the keys that lead to it. What is no tensor is left out.
    ///
    /// - Throws: ``ModelFileError/malformed(path:_:)`` for a file that nests deeper than any model, or has no tensor.
    func tensors() throws(ModelFileError) -> [(name: String, tensor: PickleTensor)] {
        var found: [(name: String, tensor: PickleTensor)] = []
        var open: [(name: String, value: PickleValue, depth: Int)] = [("", root, 0)]
        // A container may hold itself, or be held a million times.
        var held = 0
        func hold(_ count: Int, below depth: Int) throws(ModelFileError) {
            held += count
            guard depth < 32, held <= 1 << 22 else {
                throw .malformed(path: file.path, "nests its tensors deeper, or oftener, than any model; save them alone, as a state_dict")
            }
        }
        while let (name, value, depth) = open.popLast() {
            func inner(_ key: String) -> String { name.isEmpty ? key : "\(name).\(key)" }
            switch value {
            case .tensor(let tensor): found.append((name, tensor))
            case .list(let place):
                try hold(arena.lists[place].count, below: depth)
                for (index, element) in arena.lists[place].enumerated() { open.append((inner("\(index)"), element, depth + 1)) }
            case .dictionary(let place):
                try hold(arena.dictionaries[place].count, below: depth)
                for (key, element) in arena.dictionaries[place] {
                    switch key {
                    case .text(let text): open.append((inner(text), element, depth + 1))
                    case .integer(let number): open.append((inner("\(number)"), element, depth + 1))
                    default: continue
                    }
                }
            default: continue
            }
        }
        guard !found.isEmpty else { throw .malformed(path: file.path, "holds no tensor; a file with a state_dict was expected") }
        return found
    }
}
