public import BitsCore

/// A table of vectors, one a token: row `ids[i]` of [V, D].
public final class Embedding: Module {
    /// [V, D]
    @Weight("weight") public var weight: Parameter

    public init(weight: Parameter) {
        precondition(weight.shape.count == 2, "an embedding table of shape \(weight.shape)")
        super.init()
        self.weight = weight
    }

    /// [..] int32 to [.., D] as `dtype` (default: the table's).
    public func callAsFunction(_ ids: Tensor, dtype: DType? = nil) -> Tensor { weight.tensor.rows(ids, dtype: dtype) }
}
