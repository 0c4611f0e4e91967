/// What a pickle of tensors is made of. Containers are numbers of an arena's, so that nothing nests in memory, however deep a file pretends to.
enum PickleValue {
    case none
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case text(String)
    case bytes
    /// A place among ``PickleArena/lists``: a list, a tuple or a set.
    case list(Int)
    /// A place among ``PickleArena/dictionaries``.
    case dictionary(Int)
    /// A class or function, by its name.
    case global(PickleGlobal)
    indirect case storage(PickleStorage)
    indirect case tensor(PickleTensor)
}

/// The containers of a pickle.
struct PickleArena {
    var lists: [[PickleValue]] = []
    var dictionaries: [[(key: PickleValue, value: PickleValue)]] = []

    mutating func list(_ elements: [PickleValue]) -> PickleValue {
        lists.append(elements)
        return .list(lists.count - 1)
    }

    mutating func dictionary(_ pairs: [(key: PickleValue, value: PickleValue)] = []) -> PickleValue {
        dictionaries.append(pairs)
        return .dictionary(dictionaries.count - 1)
    }
}

/// A run of elements that tensors are made of.
struct PickleStorage {
    /// Its member of the archive.
    let key: String
    let type: SafetensorsType
    /// Elements.
    let count: Int
}

/// A tensor, as elements of a storage.
struct PickleTensor {
    let storage: PickleStorage
    let offset: Int
    let shape: [Int]
    let strides: [Int]
}

/// A class or function that a pickle of tensors may name. Nothing is called: each stands for what it would make of its arguments.
enum PickleGlobal: Equatable {
    case rebuildTensor
    /// The same with the type of the elements among the arguments.
    case rebuildTypedTensor
    case rebuildParameter
    case orderedDictionary
    case size
    case storage(SafetensorsType?)
    case dtype(SafetensorsType)

    /// The global `name` of `module`; nil for one that tensors do not need.
    init?(module: String, name: String) {
        switch (module, name) {
        case ("torch._utils", "_rebuild_tensor"), ("torch._utils", "_rebuild_tensor_v2"): self = .rebuildTensor
        case ("torch._utils", "_rebuild_tensor_v3"): self = .rebuildTypedTensor
        case ("torch._utils", "_rebuild_parameter"), ("torch._utils", "_rebuild_parameter_with_state"): self = .rebuildParameter
        case ("collections", "OrderedDict"): self = .orderedDictionary
        case ("torch", "Size"): self = .size
        case ("torch.storage", "UntypedStorage"), ("torch", "UntypedStorage"): self = .storage(nil)
        case ("torch", _):
            if let type = PickleGlobal.storages[name] {
                self = .storage(type)
            } else if let type = PickleGlobal.dtypes[name] {
                self = .dtype(type)
            } else {
                return nil
            }
        default: return nil
        }
    }

    private static let storages: [String: SafetensorsType] = [
        "FloatStorage": .f32, "HalfStorage": .f16, "BFloat16Storage": .bf16, "DoubleStorage": .f64, "LongStorage": .i64, "IntStorage": .i32,
        "ShortStorage": .i16, "CharStorage": .i8, "ByteStorage": .u8, "BoolStorage": .bool, "ComplexFloatStorage": .c64,
    ]
    private static let dtypes: [String: SafetensorsType] = [
        "float32": .f32, "float16": .f16, "bfloat16": .bf16, "float64": .f64, "int64": .i64, "int32": .i32, "int16": .i16, "int8": .i8, "uint8": .u8,
        "bool": .bool, "complex64": .c64, "uint16": .u16, "uint32": .u32, "uint64": .u64, "float8_e4m3fn": .f8E4M3, "float8_e5m2": .f8E5M2,
    ]
}
