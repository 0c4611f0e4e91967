public import BitsCore
public import BitsQuant

// Shapes: N = output width, K = input width.

/// The bytes that weights take, from their shapes alone: nothing is read or allocated.
///
/// ```swift
/// let footprint = Footprint(shapes, dtype: .bfloat16) { name, _ in name.hasSuffix("proj.weight") ? .fourBit(.nf4) : nil }
/// ```
public struct Footprint: Sendable, Equatable {
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
    /// - Parameters:
    ///   - dtype: of weights that are not quantized.
    ///   - quantization: what the weight of a name and a shape is quantized to; nil for those that are not.
    public init(
        _ weights: [(name: String, shape: [Int])], dtype: DType, quantization: (_ name: String, _ shape: [Int]) -> Quantization? = { _, _ in nil }
    ) {
        for (name, shape) in weights { add(shape, as: quantization(name, shape), dtype: dtype) }
    }

    /// Adds a weight of `shape`, quantized or in `dtype`.
    public mutating func add(_ shape: [Int], as quantization: Quantization?, dtype: DType) {
        let count = shape.reduce(1, *)
        parameterCount += count
        switch quantization {
        case nil:
            codeByteCount += count * dtype.byteCount
        case .fourBit(_, let blockSize, let doubleQuantization, _, _):
            codeByteCount += (count + 1) / 2
            let blocks = (count + blockSize.count - 1) / blockSize.count
            let nested = BlockSize.statistics.count
            scaleByteCount += doubleQuantization ? blocks + 4 * ((blocks + nested - 1) / nested) : 4 * blocks
        case .int8(_, let keepsFloat16Weights):
            let rows = shape.dropLast().reduce(1, *)
            codeByteCount += count + (keepsFloat16Weights ? 2 * count : 0)
            scaleByteCount += 4 * rows
        }
    }
}

extension Module {
    /// What this tree's weights would take after ``quantize(to:embeddings:head:skipping:)``, the others kept in `dtype`; the tree may be without weights.
    /// A parameter that two modules share counts once.
    ///
    /// - Parameter dtype: of weights that are not quantized; nil for their own.
    public func footprint(
        quantizedTo form: Quantization?, embeddings: Quantization? = nil, head: Quantization? = nil, skipping: [String]? = nil, dtype: DType? = nil
    ) -> Footprint {
        var selection = LayerSelection(ModelQuantization(form, embeddings: embeddings, head: head, skipping: skipping))
        let layers = Dictionary(ModelPlan(self).layers.map { ($0.path, $0) }) { first, _ in first }
        var seen = Set<ObjectIdentifier>()
        var footprint = Footprint()
        for (path, module) in namedModules() {
            var form: Quantization?
            if let layer = layers[path], case .quantize(let chosen) = selection.choice(layer) { form = chosen }
            for (name, parameter) in module.parameters where seen.insert(ObjectIdentifier(parameter)).inserted {
                footprint.add(parameter.shape, as: name == "weight" ? form : nil, dtype: dtype ?? parameter.dtype)
            }
        }
        return footprint
    }
}
