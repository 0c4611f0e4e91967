public import BitsCore

// Shapes: V = vocabulary, D = width of a vector.

/// A table of vectors, one a token, whatever form it is kept in: what quantization and loading exchange for one another.
open class EmbeddingLayer: Module {
    /// V
    public let vocabularySize: Int
    /// D
    public let width: Int

    public init(vocabularySize: Int, width: Int) {
        self.vocabularySize = vocabularySize
        self.width = width
    }

    /// The vectors of `ids`, [..] int32 or int64, as [.., D] in `dtype` (default: the table's own). An id outside the vocabulary gives zeros.
    open func callAsFunction(_ ids: Tensor, dtype: DType? = nil) -> Tensor { preconditionFailure("\(type(of: self)) does not say how it looks up") }

    /// [V, D] in `dtype` (default: the table's own).
    open func table(_ dtype: DType? = nil) -> Tensor { preconditionFailure("\(type(of: self)) does not say what its table is") }
}

extension Tensor {
    /// A table [V, D] uniform in ±sqrt(6 / (V + D)) (Glorot and Bengio 2010), its row `paddingIndex` zero.
    static func xavierUniform(
        _ shape: [Int], paddingIndex: Int?, using generator: inout RandomGenerator, dtype: DType, device: Device
    ) -> Tensor {
        let (rows, width) = (shape[0], shape[1])
        let bound = (6 / Float(max(1, rows + width))).squareRoot()
        var values = (0..<rows * width).map { _ in bound * (2 * generator.uniform() - 1) }
        if let row = paddingIndex {
            precondition((0..<rows).contains(row), "padding index \(row) of a table of \(rows) rows")
            for index in row * width..<(row + 1) * width { values[index] = 0 }
        }
        return Tensor(values, shape: shape, dtype: dtype, device: device)
    }
}

extension QuantizedTensor {
    /// The weight called `name`, which has to be a table.
    init(tableNamed name: String, as dtype: DType = .float16, _ entry: (String) throws -> Tensor?) throws {
        try self.init(named: name, as: dtype, entry)
        guard shape.count == 2 else { throw LayerError.unsuitableEntry(name, expected: "a table [V, D]", found: "of shape \(shape)") }
    }
}
