package import BitsKernels

extension Tensor {
    /// Rows `indices` of this [V, D] table: [..] int32 to [.., D], as `dtype` (default: the table's). An index outside the table gives zeros.
    public func rows(_ indices: Tensor, dtype: DType? = nil) -> Tensor {
        precondition(rank == 2 && !indices.dtype.isFloatingPoint, "rows \(indices) of \(self)")
        let (vocabulary, width, ids) = (shape[0], shape[1], indices.elements)
        let result = empty(indices.shape + [width], dtype)
        device.run(EmbeddingGather(table: elements, width: width, indices: ids, into: result.slice))
        let type = self.dtype
        return result.recorded(from: [self]) { gradient in
            let table = Tensor.zeros([vocabulary, width], dtype: .float32, device: gradient.device)
            gradient.device.run(EmbeddingScatterAdd(gradient.slice, width: width, indices: ids, into: table.slice))
            return [table.cast(to: type)]
        }
    }
}
