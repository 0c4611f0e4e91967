internal import BitsCore

/// Reads a pickle of tensors, as PyTorch writes it: the instructions that dictionaries of tensors need, and nothing else.
///
/// A pickle is a program; this executes none of it. A class or function that tensors do not need is refused by its name as soon as it is named.
struct PickleReader {
    /// Longest pickle accepted, in bytes: tens of thousands of tensors take a few megabytes.
    static let maximumByteCount = 64 << 20
    /// Most instructions, each of which makes one value or none, and most pairs that dictionaries are made of at once.
    private static let (maximumInstructions, maximumCopies) = (1 << 23, 1 << 22)

    private(set) var arena = PickleArena()
    /// The type of each storage that was named, by its key.
    private(set) var storages: [String: SafetensorsType] = [:]
    private var fields: LittleEndianFields
    private var stack: [PickleValue] = []
    private var marks: [Int] = []
    private var memo: [Int: PickleValue] = [:]
    private var memoized = 0
    /// Instructions that were read, and pairs that dictionaries were made of.
    private var (instructions, copied) = (0, 0)

    init(_ fields: LittleEndianFields) { self.fields = fields }

    /// The place in the file behind what was read.
    var place: Int { fields.place }

    /// The next value: one pickle.
    ///
    /// - Throws: ``ModelFileError/unsupported(path:_:)`` for what tensors do not need, by its name; ``ModelFileError/malformed(path:_:)`` for a pickle that is
    ///   cut short or damaged.
    mutating func value() throws(ModelFileError) -> PickleValue {
        (stack, marks, memo, memoized) = ([], [], [:], 0)
        while true {
            let place = fields.place
            let code = try UInt8(fields.next(1))
            guard let operation = PickleOperation(rawValue: code) else {
                throw .unsupported(
                    path: fields.file.path,
                    "has the pickle instruction \(code) at byte \(place), which tensors do not need; save the tensors alone, as a state_dict")
            }
            instructions += 1
            guard instructions <= PickleReader.maximumInstructions else { throw damaged("end of its instructions after \(instructions)") }
            if operation == .stop { return try pop() }
            try perform(operation)
        }
    }

    private mutating func perform(_ operation: PickleOperation) throws(ModelFileError) {
        switch operation {
        case .stop: break
        case .protocolVersion: try fields.skip(1)
        case .frame: try fields.skip(8)
        case .mark: marks.append(stack.count)
        case .pop: _ = try pop()
        case .popMark: _ = try popToMark()
        case .duplicate: stack.append(try top())
        case .none: stack.append(.none)
        case .newTrue: stack.append(.bool(true))
        case .newFalse: stack.append(.bool(false))
        case .integer1: stack.append(.integer(try fields.next(1)))
        case .integer2: stack.append(.integer(try fields.next(2)))
        case .integer4: stack.append(.integer(Int(Int32(truncatingIfNeeded: try fields.next(4)))))
        case .long1: stack.append(try long(try fields.next(1)))
        case .float:
            let bits = UInt64(truncatingIfNeeded: try fields.next(8)).byteSwapped
            stack.append(.number(Double(bitPattern: bits)))
        case .text, .oldText: stack.append(try text(try fields.next(4)))
        case .shortText, .oldShortText: stack.append(try text(try fields.next(1)))
        case .longText: stack.append(try text(try fields.next(8)))
        case .bytes: try pushBytes(try fields.next(4))
        case .shortBytes: try pushBytes(try fields.next(1))
        case .emptyTuple, .emptyList, .emptySet: stack.append(arena.list([]))
        case .emptyDictionary: stack.append(arena.dictionary())
        case .tuple: stack.append(arena.list(try popToMark()))
        case .tuple1: stack.append(arena.list(try pop(1)))
        case .tuple2: stack.append(arena.list(try pop(2)))
        case .tuple3: stack.append(arena.list(try pop(3)))
        case .append: try append(try pop(1))
        case .appends, .addItems: try append(try popToMark())
        case .setItem: try setItems(try pop(2))
        case .setItems: try setItems(try popToMark())
        case .put1: memo[try fields.next(1)] = try top()
        case .put4: memo[try fields.next(4)] = try top()
        case .memoize:
            memo[memoized] = try top()
            memoized += 1
        case .get1: stack.append(try recalled(try fields.next(1)))
        case .get4: stack.append(try recalled(try fields.next(4)))
        case .global: stack.append(.global(try global(module: try fields.line(), name: try fields.line())))
        case .stackGlobal:
            guard case .text(let name) = try pop(), case .text(let module) = try pop() else { throw damaged("the names of a class") }
            stack.append(.global(try global(module: module, name: name)))
        case .reduce: try reduce()
        case .build: try build()
        case .persistentID: stack.append(.storage(try storage(try pop())))
        }
    }
}

// MARK: - The stack

extension PickleReader {
    private func damaged(_ expected: String) -> ModelFileError { fields.damaged("\(expected) in its pickle") }

    private func top() throws(ModelFileError) -> PickleValue {
        guard let value = stack.last, stack.count > marks.last ?? 0 else { throw damaged("value") }
        return value
    }

    private mutating func pop() throws(ModelFileError) -> PickleValue {
        let value = try top()
        stack.removeLast()
        return value
    }

    private mutating func pop(_ count: Int) throws(ModelFileError) -> [PickleValue] {
        var values: [PickleValue] = []
        for _ in 0..<count { values.append(try pop()) }
        return values.reversed()
    }

    private mutating func popToMark() throws(ModelFileError) -> [PickleValue] {
        guard let mark = marks.popLast() else { throw damaged("mark") }
        let values = Array(stack[mark...])
        stack.removeSubrange(mark...)
        return values
    }

    private func recalled(_ number: Int) throws(ModelFileError) -> PickleValue {
        guard let value = memo[number] else { throw damaged("value number \(number)") }
        return value
    }

    private mutating func text(_ length: Int) throws(ModelFileError) -> PickleValue {
        .text(String(decoding: try fields.bytes(length), as: UTF8.self))
    }

    private mutating func pushBytes(_ length: Int) throws(ModelFileError) {
        try fields.skip(length)
        stack.append(.bytes)
    }

    /// A whole number of `length` bytes, two's complement.
    private mutating func long(_ length: Int) throws(ModelFileError) -> PickleValue {
        guard length <= 8 else { throw damaged("number of at most 64 bits") }
        if length == 0 { return .integer(0) }
        let unused = 64 - 8 * length
        return .integer((try fields.next(length) << unused) >> unused)
    }

    private mutating func append(_ values: [PickleValue]) throws(ModelFileError) {
        guard case .list(let place) = try top() else { throw damaged("list") }
        arena.lists[place] += values
    }

    private mutating func setItems(_ values: [PickleValue]) throws(ModelFileError) {
        guard case .dictionary(let place) = try top(), values.count % 2 == 0 else { throw damaged("dictionary and pairs") }
        for index in stride(from: 0, to: values.count, by: 2) { arena.dictionaries[place].append((values[index], values[index + 1])) }
    }
}

// MARK: - What would be called

extension PickleReader {
    private func global(module: String, name: String) throws(ModelFileError) -> PickleGlobal {
        if let global = PickleGlobal(module: module, name: name) { return global }
        throw .unsupported(
            path: fields.file.path,
            "asks for '\(module).\(name)', which tensors do not need; nothing in a pickle is executed. Save the tensors alone, as a state_dict, or as safetensors"
        )
    }

    /// What the function below the top would make of the arguments on top.
    private mutating func reduce() throws(ModelFileError) {
        guard case .list(let place) = try pop(), case .global(let global) = try pop() else { throw damaged("function and arguments") }
        let arguments = arena.lists[place]
        guard arguments.count <= 16 else { throw damaged("function of few arguments") }
        switch global {
        case .rebuildTensor: stack.append(.tensor(try tensor(arguments)))
        case .rebuildTypedTensor:
            guard arguments.count > 6, case .dtype(let type) = Self.global(arguments[6]), case .storage(let raw) = arguments[0] else {
                throw damaged("tensor")
            }
            guard type.bitCount % 8 == 0 else { throw damaged("tensor of whole bytes") }
            let storage = PickleStorage(key: raw.key, type: type, count: raw.count / (type.bitCount / 8))
            stack.append(.tensor(try tensor([.storage(storage)] + arguments.dropFirst())))
        case .rebuildParameter:
            guard case .tensor(let data)? = arguments.first else { throw damaged("parameter") }
            stack.append(.tensor(data))
        case .orderedDictionary: stack.append(arena.dictionary(try pairs(arguments)))
        case .size:
            guard let size = arguments.first else { throw damaged("size") }
            stack.append(size)
        case .storage, .dtype: throw damaged("function that makes a tensor")
        }
    }

    private static func global(_ value: PickleValue) -> PickleGlobal? { if case .global(let global) = value { global } else { nil } }

    /// The state of an object besides its items, which no tensor needs: PyTorch notes versions of modules there.
    private mutating func build() throws(ModelFileError) {
        _ = try pop()
        guard case .dictionary = try top() else { throw damaged("dictionary that has a state") }
    }

    /// The items that an ordered dictionary is made of: none, or a list of pairs.
    private mutating func pairs(_ arguments: [PickleValue]) throws(ModelFileError) -> [(key: PickleValue, value: PickleValue)] {
        guard let first = arguments.first else { return [] }
        guard case .list(let place) = first else { throw damaged("list of pairs") }
        // A list may be taken from the memo again and again.
        copied += arena.lists[place].count
        guard copied <= PickleReader.maximumCopies else { throw damaged("dictionary made of fewer pairs") }
        var pairs: [(key: PickleValue, value: PickleValue)] = []
        for element in arena.lists[place] {
            guard case .list(let pair) = element, arena.lists[pair].count == 2 else { throw damaged("pair") }
            pairs.append((arena.lists[pair][0], arena.lists[pair][1]))
        }
        return pairs
    }

    /// `('storage', type, key, where it was, elements)`
    private mutating func storage(_ id: PickleValue) throws(ModelFileError) -> PickleStorage {
        guard case .list(let place) = id, arena.lists[place].count >= 5, case .text("storage") = arena.lists[place][0],
            case .storage(let type)? = Self.global(arena.lists[place][1]), case .text(let key) = arena.lists[place][2],
            case .integer(let count) = arena.lists[place][4], count >= 0
        else { throw damaged("storage") }
        storages[key] = type ?? .u8
        return PickleStorage(key: key, type: type ?? .u8, count: count)
    }

    /// `(storage, offset, shape, strides, ...)`, which must lie within the storage.
    private func tensor(_ arguments: [PickleValue]) throws(ModelFileError) -> PickleTensor {
        guard arguments.count >= 4, case .storage(let storage) = arguments[0], case .integer(let offset) = arguments[1], offset >= 0,
            let shape = integers(arguments[2]), let strides = integers(arguments[3]), shape.count == strides.count,
            (shape + strides).allSatisfy({ $0 >= 0 })
        else { throw damaged("tensor") }
        return PickleTensor(storage: storage, offset: offset, shape: shape, strides: strides)
    }

    private func integers(_ value: PickleValue) -> [Int]? {
        guard case .list(let place) = value, arena.lists[place].count <= 64 else { return nil }
        let integers = arena.lists[place].compactMap { if case .integer(let integer) = $0 { integer } else { nil } }
        return integers.count == arena.lists[place].count ? integers : nil
    }
}
