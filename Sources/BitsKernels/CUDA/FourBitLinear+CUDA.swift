// Shapes: M = rows of the input, N = rows of the weight, K = columns of the weight.

extension FourBitLinear: CUDAKernel {
    func launch(on queue: CUDAQueue) {
        guard output.count > 0 else { return }
        let dequantized = weight.dequantized(to: precision.dtype, on: queue)
        MatrixProduct(
            input, dequantized, into: output, m: m, n: weight.rows, k: weight.columns, transposesB: true, bias: bias, precision: precision
        ).launch(on: queue)
    }
}

extension FourBitLinearInputGradient: CUDAKernel {
    func launch(on queue: CUDAQueue) {
        guard inputGradient.count > 0 else { return }
        let dequantized = weight.dequantized(to: precision.dtype, on: queue)
        MatrixProduct(outputGradient, dequantized, into: inputGradient, m: m, n: weight.columns, k: weight.rows, precision: precision)
            .launch(on: queue)
    }
}

extension FourBitMatrix {
    /// The matrix in scratch memory.
    fileprivate func dequantized(to dtype: DType, on queue: CUDAQueue) -> Slice {
        let values = queue.scratch(dtype, count: rows * columns)
        DequantizeFourBit(self, into: values).launch(on: queue)
        return values
    }
}
