package import BitsKernels

extension Tensor {
    /// Rows `indices` of this [V, D] table: [..] int32 to [.., D], as `dtype` (default: the table's). An index outside the table gives zeros.
    ///
    /// - Parameter paddingIndex: a row whose gradient is zero however often it is asked for.
    public func rows(_ indices: Tensor, dtype: DType? = nil, paddingIndex: Int? = nil) -> Tensor {
        precondition(rank == 2 && !indices.dtype.isFloatingPoint, "rows \(indices) of \(self)")
        precondition(paddingIndex.map { (0..<shape[0]).contains($0) } ?? true, "padding index \(paddingIndex ?? 0) of \(self)")
        let (vocabulary, width, ids) = (shape[0], shape[1], indices.elements)
        let result = empty(indices.shape + [width], dtype)
        device.run(EmbeddingGather(table: elements, width: width, indices: ids, into: result.slice))
        let type = self.dtype
        return result.recorded(from: [self]) { gradient in
            let table = Tensor.zeros([vocabulary, width], dtype: .float32, device: gradient.device)
            gradient.device.run(EmbeddingScatterAdd(gradient.slice, width: width, indices: ids, into: table.slice))
            if let row = paddingIndex { gradient.device.run(Fill(0, into: table.slice[row * width..<(row + 1) * width])) }
            return [table.cast(to: type)]
        }
    }
}
