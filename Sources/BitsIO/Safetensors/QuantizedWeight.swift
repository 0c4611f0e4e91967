public import BitsCore
public import BitsQuant

/// A layer's weight in a quantized form, as checkpoints keep it: entries whose names begin with the layer's path.
///
/// | form | entries behind `path.` |
/// |---|---|
/// | 4 bits | `weight`, and those beside it that ``BitsQuant/FourBitTensor`` lists: `weight.absmax`, `weight.quant_map`, ... |
/// | 8 bits | `weight`, `SCB`, `weight_format` |
public enum QuantizedWeight: Sendable {
    case fourBit(FourBitTensor)
    case int8(Int8Tensor)

    /// The shape of the weight that was quantized.
    public var shape: [Int] {
        switch self {
        case .fourBit(let weight): weight.shape
        case .int8(let weight): weight.shape
        }
    }

    /// The type that was quantized; nil where the form does not tell.
    public var dtype: DType? {
        switch self {
        case .fourBit(let weight): weight.state.dtype
        case .int8: nil
        }
    }

    /// `nf4`, `fp4` or `int8`.
    public var format: String {
        switch self {
        case .fourBit(let weight): weight.format.rawValue
        case .int8: "int8"
        }
    }

    /// Bytes in memory.
    public var byteCount: Int {
        switch self {
        case .fourBit(let weight): weight.byteCount
        case .int8(let weight): weight.byteCount
        }
    }

    /// How many of the elements that were quantized here were NaN or infinite; 0 for a weight read from a file.
    ///
    /// - Throws: the first error of the work that leads here.
    public func nonFiniteInputCount() throws(DeviceError) -> Int {
        switch self {
        case .fourBit(let weight): try weight.nonFiniteInputCount()
        case .int8(let weight): try weight.nonFiniteInputCount()
        }
    }

    /// The weight in floating point.
    public func dequantized(to dtype: DType) -> Tensor {
        switch self {
        case .fourBit(let weight): weight.dequantized(to: dtype)
        case .int8(let weight): weight.dequantized(to: dtype)
        }
    }

    /// Quantizes `weight`, as `configuration` asks; there must be something that it asks for.
    ///
    /// - Throws: ``BitsQuant/QuantizationError/storageDoesNotFit(byteCount:storage:)``.
    public init(_ weight: Tensor, as configuration: BitsAndBytesConfig, blockSize: BlockSize) throws(QuantizationError) {
        switch configuration.precision {
        case .fourBit:
            self = .fourBit(
                try weight.quantized(
                    to: configuration.format, blockSize: blockSize, doubleQuantization: configuration.doubleQuantization,
                    storage: configuration.storageType))
        case .int8: self = .int8(Int8Tensor(weight: weight))
        case nil: preconditionFailure("a configuration that quantizes nothing")
        }
    }
}

// MARK: - Entries

extension QuantizedWeight {
    /// The entries, by name behind the layer's path and a point, in the order in which bitsandbytes writes them; the codes come first.
    ///
    /// - Throws: the first error of the work that leads here.
    public func entries() throws(DeviceError) -> [(name: String, tensor: Tensor)] {
        switch self {
        case .fourBit(let weight): try weight.entries().map { ("weight\($0.suffix)", $0.tensor) }
        case .int8(let weight): weight.entries()
        }
    }

    /// The weight of the layer `path`; nil where the checkpoint has none, or has it in floating point.
    ///
    /// - Throws: ``BitsQuant/QuantizationError`` when entries are missing, of the wrong type or number, or describe the weight in two ways;
    ///   ``ModelFileError`` when they cannot be read.
    public init?(_ checkpoint: Checkpoint, path: String, on device: Device = .cpu) throws {
        func tensor(_ name: String) throws -> Tensor? { try checkpoint.tensor("\(path).\(name)", on: device) }
        switch try QuantizedForm({ checkpoint["\(path).\($0)"]?.part }) {
        case .fourBit?: self = .fourBit(try FourBitTensor { suffix in try tensor("weight\(suffix)") })
        case .int8?: self = .int8(try Int8Tensor(entries: tensor))
        case nil: return nil
        }
    }
}

extension SafetensorsEntry {
    fileprivate var part: QuantizedForm.Part { QuantizedForm.Part(dtype: dtype, typeName: typeName, shape: shape) }
}

extension Checkpoint {
    /// The entries of the weight of the layer `path`, the codes first; of a plain one, the weight alone.
    public func weightEntries(_ path: String) -> [SafetensorsEntry] {
        (["weight"] + QuantizedForm.fourBitParts + QuantizedForm.int8Parts).compactMap { self["\(path).\($0)"] }
    }

    /// The paths of all layers with entries of a quantized weight, complete or not, sorted.
    public var quantizedPaths: [String] {
        let parts = (QuantizedForm.fourBitParts + QuantizedForm.int8Parts).map { ".\($0)" }
        var paths: Set<String> = []
        for name in names {
            if let part = parts.first(where: name.hasSuffix) { paths.insert(String(name.dropLast(part.count))) }
            if name.hasSuffix(".weight"), let entry = self[name], entry.dtype == .int8 || entry.part.holdsCodes {
                paths.insert(String(name.dropLast(".weight".count)))
            }
        }
        return paths.sorted()
    }

    /// All quantized weights, with the paths of their layers.
    ///
    /// - Throws: ``ModelFileError/malformed(path:_:)`` that names every layer whose entries are not in order.
    public func quantizedWeights(in folder: ModelFolder) throws(ModelFileError) -> [(path: String, weight: QuantizedWeight)] {
        var weights: [(path: String, weight: QuantizedWeight)] = []
        var problems: [String] = []
        for path in quantizedPaths {
            do {
                if let weight = try QuantizedWeight(self, path: path) { weights.append((path, weight)) }
            } catch { problems.append("'\(path).weight': \(error)") }
        }
        guard problems.isEmpty else { throw .problems(problems, path: folder.description, "has quantized layers that cannot be read") }
        return weights
    }
}
