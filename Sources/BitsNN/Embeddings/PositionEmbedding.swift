public import BitsCore

/// Learned vectors by position: row `positions[i] + offset` of a table [P + offset, D]. A position beyond the table, and -1, gives zeros.
///
/// Its few rows stay in floating point when embeddings are quantized, and an optimizer keeps their moments in 32 bits.
public final class PositionEmbedding: Module {
    /// [P + offset, D]
    @Weight("weight") public var weight: Parameter
    /// The rows before that of position 0.
    public let offset: Int

    public init(weight: Parameter, offset: Int = 0) {
        precondition(weight.shape.count == 2 && (0..<weight.shape[0]).contains(offset), "positions from row \(offset) of a table \(weight.shape)")
        self.offset = offset
        super.init()
        weight.keeps32BitMoments = true
        self.weight = weight
    }

    /// A table without vectors yet, for a model that is loaded: see ``Module/load(from:options:progress:)``.
    public convenience init(positions: Int, width: Int, offset: Int = 0) {
        self.init(weight: .placeholder([positions + offset, width]), offset: offset)
    }

    /// The vectors of `positions`, [..] int32, as [.., D] in `dtype` (nil: the table's own).
    public func callAsFunction(_ positions: Tensor, dtype: DType? = nil) -> Tensor {
        weight.tensor.narrowed(axis: 0, to: offset..<weight.shape[0]).rows(positions, dtype: dtype)
    }
}
