package import BitsKernels

extension Tensor {
    /// Rows `indices` of this [V, D] table: [..] int32 to [.., D], as `dtype` (default: the table's). An index outside the table gives zeros.
    ///
    /// - Parameters:
    ///   - paddingIndex: a row whose gradient is zero however often it is asked for.
    ///   - averagesGradient: divides a row's gradient by how often the row is asked for.
    public func rows(_ indices: Tensor, dtype: DType? = nil, paddingIndex: Int? = nil, averagesGradient: Bool = false) -> Tensor {
        precondition(rank == 2 && !indices.dtype.isFloatingPoint, "rows \(indices) of \(self)")
        precondition(paddingIndex.map { (0..<shape[0]).contains($0) } ?? true, "padding index \(paddingIndex ?? 0) of \(self)")
        let (vocabulary, width, ids) = (shape[0], shape[1], indices.elements)
        let result = empty(indices.shape + [width], dtype)
        device.run(EmbeddingGather(table: elements, width: width, indices: ids, into: result.slice))
        let type = self.dtype
        return result.recorded(from: [self]) { gradient in
            var table = Tensor.summedRows(gradient.slice, at: ids, shape: [vocabulary, width])
            if averagesGradient {
                let ones = Tensor.ones([ids.count], device: gradient.device)
                let counts = Tensor.summedRows(ones.slice, at: ids, shape: [vocabulary, 1])
                table = table / counts.atLeastOne()
            }
            if let row = paddingIndex { gradient.device.run(Fill(0, into: table.slice[row * width..<(row + 1) * width])) }
            return [table.cast(to: type)]
        }
    }

    /// Row `i` of the result [V, D] is the sum of the rows of `rows` whose index is i.
    private static func summedRows(_ rows: Slice, at indices: Slice, shape: [Int]) -> Tensor {
        let sums = Tensor.zeros(shape, device: rows.device)
        rows.device.run(EmbeddingScatterAdd(rows, width: shape[1], indices: indices, into: sums.slice))
        return sums
    }

    /// Whole numbers from 0, with 1 for 0.
    private func atLeastOne() -> Tensor {
        let result = empty(shape)
        let one = Tensor.ones([1], dtype: dtype, device: device).broadcast(to: shape)
        device.run(BinaryElementwise(.maximum, strided, one.strided, into: result.slice))
        return result
    }
}
