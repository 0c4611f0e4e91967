public import BitsCore
public import BitsQuant

/// A table of vectors in 4 bits, frozen: the rows that are asked for are dequantized, the others are not touched.
///
/// It is saved and loaded as a linear layer's weight is, which the original refuses. Reference: `Embedding4bit`.
public final class Embedding4bit: Module, EmbeddingLayer {
    /// [V, D]
    @Quantized("weight") public private(set) var weight: FourBitTensor
    /// The type of the vectors; the type that was quantized unless told otherwise.
    public let dtype: DType

    /// The table of a weight that is quantized already.
    public init(weight: FourBitTensor, dtype: DType? = nil) {
        precondition(weight.shape.count == 2, "an embedding table of shape \(weight.shape)")
        self.dtype = dtype ?? weight.state.dtype
        super.init()
        self.weight = weight
    }

    /// The 4-bit counterpart of `embedding`.
    ///
    /// - Parameters:
    ///   - doubleQuantization: scales in 8 bits; off unless asked for, as in the original.
    ///   - storage: what the packed codes are seen as.
    ///   - dtype: the type of the vectors; nil for that of the table.
    /// - Throws: ``BitsQuant/QuantizationError/storageDoesNotFit(byteCount:storage:)``.
    public convenience init(
        _ embedding: Embedding, format: FourBitFormat = .nf4, blockSize: BlockSize = .fourBitDefault, doubleQuantization: Bool = false,
        storage: DType = .uint8, dtype: DType? = nil
    ) throws(QuantizationError) {
        let table = embedding.weight.value
        self.init(
            weight: try table.quantized(to: format, blockSize: blockSize, doubleQuantization: doubleQuantization, storage: storage), dtype: dtype)
    }

    /// The table that `entry` gives the parts of: `weight`, `weight.absmax` and what else ``Module/entries(_:)`` names.
    ///
    /// - Throws: ``LayerError``, ``BitsQuant/QuantizationError`` when parts are missing or do not belong together, or what `entry` throws.
    public convenience init(dtype: DType? = nil, entries entry: (_ name: String) throws -> Tensor?) throws {
        self.init(weight: try FourBitTensor(tableNamed: "weight", entry), dtype: dtype)
    }

    public var vocabularySize: Int { weight.shape[0] }
    public var width: Int { weight.shape[1] }

    /// A table of its own with the same vectors.
    public func copied() -> Embedding4bit { Embedding4bit(weight: weight, dtype: dtype) }

    public func callAsFunction(_ ids: Tensor, dtype: DType?) -> Tensor { weight.rows(ids, dtype: dtype ?? self.dtype) }

    public func table(_ dtype: DType?) -> Tensor { weight.dequantized(to: dtype ?? self.dtype) }

    public func scores(_ x: Tensor, computeDType: DType?) -> Tensor { x.linear(weight, computeDType: computeDType) }
}

extension Embedding4bit {
    /// The NF4 counterpart of `embedding`. Reference: `EmbeddingNF4`.
    ///
    /// - Throws: ``BitsQuant/QuantizationError/storageDoesNotFit(byteCount:storage:)``.
    public static func nf4(_ embedding: Embedding, storage: DType = .uint8, dtype: DType? = nil) throws(QuantizationError) -> Embedding4bit {
        try Embedding4bit(embedding, format: .nf4, storage: storage, dtype: dtype)
    }

    /// The FP4 counterpart of `embedding`. Reference: `EmbeddingFP4`.
    ///
    /// - Throws: ``BitsQuant/QuantizationError/storageDoesNotFit(byteCount:storage:)``.
    public static func fp4(_ embedding: Embedding, storage: DType = .uint8, dtype: DType? = nil) throws(QuantizationError) -> Embedding4bit {
        try Embedding4bit(embedding, format: .fp4, storage: storage, dtype: dtype)
    }
}
