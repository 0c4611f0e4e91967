public import BitsCore
import BitsQuant

// Shapes: N = output width, K = input width.

/// The bytes that weights take, from their shapes alone: nothing is read or allocated.
///
/// ```swift
/// let footprint = Footprint(shapes) { name, shape in name.hasSuffix("proj.weight") ? .quantized(.fourBit(.nf4)) : .plain(.bfloat16) }
/// ```
public struct Footprint: Sendable, Equatable {
    /// How a weight is kept.
    public enum Form: Sendable, Equatable {
        case plain(DType)
        case quantized(LayerQuantization)
    }

    /// Bytes of plain weights and of codes: what transformers' `get_memory_footprint` counts.
    public private(set) var codeByteCount = 0
    /// Bytes of scales, those of doubly quantized scales included. Codebooks are shared, and left out.
    public private(set) var scaleByteCount = 0
    /// Numbers in all weights.
    public private(set) var parameterCount = 0

    public var byteCount: Int { codeByteCount + scaleByteCount }

    public init() {}

    /// The sum over `weights`.
    ///
    /// - Parameter form: how the weight of a name and a shape is kept.
    public init(_ weights: [(name: String, shape: [Int])], form: (_ name: String, _ shape: [Int]) -> Form) {
        for (name, shape) in weights { add(shape, as: form(name, shape)) }
    }

    /// Adds a weight of `shape`.
    public mutating func add(_ shape: [Int], as form: Form) {
        let count = shape.reduce(1, *)
        parameterCount += count
        switch form {
        case .plain(let dtype):
            codeByteCount += count * dtype.byteCount
        case .quantized(.fourBit(_, let blockSize, let doubleQuantization, _, _)):
            codeByteCount += (count + 1) / 2
            let blocks = (count + blockSize.count - 1) / blockSize.count
            let nested = BlockSize.statistics.count
            scaleByteCount += doubleQuantization ? blocks + 4 * ((blocks + nested - 1) / nested) : 4 * blocks
        case .quantized(.int8(_, let keepsFloat16Weights)):
            let rows = shape.dropLast().reduce(1, *)
            codeByteCount += count + (keepsFloat16Weights ? 2 * count : 0)
            scaleByteCount += 4 * rows
        }
    }
}

extension Module {
    /// What this tree's weights would take after ``quantize(to:embeddings:skipping:)``, the others kept in `dtype`; the tree may be without weights, see
    /// ``EmptyWeights``. A parameter that two modules share counts once.
    ///
    /// - Parameter dtype: of weights that are not quantized; nil for their own.
    public func footprint(
        quantizedTo form: LayerQuantization?, embeddings: LayerQuantization? = nil, skipping: [String]? = nil, dtype: DType? = nil
    ) -> Footprint {
        var selection = LayerSelection(skipping: skipping, keptByDefault: keptByDefault)
        var seen = Set<ObjectIdentifier>()
        var footprint = Footprint()
        for (path, module) in namedModules() {
            let wanted = module is Linear ? form : module is Embedding ? embeddings : nil
            let quantized = wanted.flatMap { selection.reasonToKeep(path) == nil ? $0 : nil }
            for (name, parameter) in module.parameters where seen.insert(ObjectIdentifier(parameter)).inserted {
                let form = name == "weight" ? quantized.map(Footprint.Form.quantized) : nil
                footprint.add(parameter.shape, as: form ?? .plain(dtype ?? parameter.dtype))
            }
        }
        return footprint
    }
}
