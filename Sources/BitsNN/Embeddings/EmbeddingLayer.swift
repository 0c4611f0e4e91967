public import BitsCore
import BitsQuant

// Shapes: V = vocabulary, D = width of a vector.

/// A table of vectors, one a token, whatever form it is kept in: what quantization and loading exchange for one another. A model declares its table as
/// `any EmbeddingLayer`, so that it can be replaced.
public protocol EmbeddingLayer: Module {
    /// V
    var vocabularySize: Int { get }
    /// D
    var width: Int { get }

    /// The vectors of `ids`, [..] int32 or int64, as [.., D] in `dtype` (nil: the table's own). An id outside the vocabulary gives zeros.
    func callAsFunction(_ ids: Tensor, dtype: DType?) -> Tensor

    /// [V, D] in `dtype` (nil: the table's own).
    func table(_ dtype: DType?) -> Tensor

    /// `x · tableᵀ`, [.., D] to [.., V] in the type of `x`: what a head computes that shares the table, see ``TiedLinear``.
    ///
    /// - Parameter computeDType: what products round their operands to, see ``Linear/computeDType``.
    func scores(_ x: Tensor, computeDType: DType?) -> Tensor
}

extension EmbeddingLayer {
    /// The vectors of `ids`, [..] int32 or int64, as [.., D] in the table's type.
    public func callAsFunction(_ ids: Tensor) -> Tensor { self(ids, dtype: nil) }

    /// [V, D] in its own type.
    public func table() -> Tensor { table(nil) }
}

extension Tensor {
    /// A table [V, D] uniform in ±sqrt(6 / (V + D)) (Glorot and Bengio 2010), its row `paddingIndex` zero.
    static func xavierUniform(
        _ shape: [Int], paddingIndex: Int?, using generator: inout RandomGenerator, dtype: DType, device: Device
    ) -> Tensor {
        let (rows, width) = (shape[0], shape[1])
        let bound = (6 / Float(max(1, rows + width))).squareRoot()
        let table = Tensor.uniform(shape, in: -bound...bound, using: &generator, dtype: dtype, device: device)
        guard let row = paddingIndex else { return table }
        precondition((0..<rows).contains(row), "padding index \(row) of a table of \(rows) rows")
        let padding = Tensor.zeros([1, width], dtype: dtype, device: device)
        return Tensor.concatenated([table.narrowed(axis: 0, to: 0..<row), padding, table.narrowed(axis: 0, to: row + 1..<rows)])
    }
}

extension QuantizedTensor {
    /// The weight called `name`, which has to be a table.
    init(tableNamed name: String, as dtype: DType = .float16, _ entry: (String) throws -> Tensor?) throws {
        try self.init(named: name, as: dtype, entry)
        guard shape.count == 2 else { throw LayerError.unsuitableEntry(name, expected: "a table [V, D]", found: "of shape \(shape)") }
    }
}
