/// Elements that a thread takes at once.
private let perThread = 8

/// Whether arrays of one count are of one type and at multiples of 16 bytes, and whole threads' parts.
private func areAlignedAlike(_ arrays: [Slice]) -> Bool {
    arrays.allSatisfy { $0.dtype == arrays[0].dtype && $0.count % perThread == 0 && $0.isAligned(to: 16) }
}

extension BinaryElementwise: CUDAKernel {
    private static let matrix = CUDAFunction("elementwise", "binary")
    private static let strided = CUDAFunction("elementwise", "binary_strided")
    private static let sum = CUDAFunctions("elementwise", "add")

    func launch(on queue: CUDAQueue) {
        guard output.count > 0 else { return }
        if operation == .add && lhs.isContiguous && rhs.isContiguous && areAlignedAlike([lhs.slice, rhs.slice, output]) {
            let (blocks, threads) = queue.sharing(output.count, perThread: perThread)
            return queue.launch(
                Self.sum[output.dtype], blocks: blocks, threads: threads, overlaps: true, lhs.slice, rhs.slice, output, output.count)
        }
        let shape = CUDAShape(lhs.shape, [lhs.strides, rhs.strides, rowMajorStrides(lhs.shape)])
        let columns = shape.sizes.last ?? 1
        let repeats = (0..<2).allSatisfy { [0, 1].contains(shape.innerStride($0)) }
        if repeats && (shape.rank <= 1 || (shape.rank == 2 && columns % 4 == 0)) {
            let (blocks, threads) = queue.sharing(output.count, perThread: perThread)
            let row = (0..<2).map { shape.rank == 2 ? shape.strides[$0][0] : 0 }
            queue.launch(
                Self.matrix, blocks: blocks, threads: threads, overlaps: true, operation.rawValue, lhs.slice, lhs.slice.dtype.code, row[0],
                shape.innerStride(0),
                rhs.slice, rhs.slice.dtype.code, row[1], shape.innerStride(1), output, output.dtype.code, output.count / columns, columns)
        } else {
            let (blocks, threads) = queue.sharing(output.count, perThread: 1)
            queue.launch(
                Self.strided, blocks: blocks, threads: threads, overlaps: true, operation.rawValue, lhs.slice, lhs.slice.dtype.code,
                shape.strideArgument(0),
                rhs.slice, rhs.slice.dtype.code, shape.strideArgument(1), output, output.dtype.code, shape.sizeArgument, output.count)
        }
    }
}

extension SumOfTerms: CUDAKernel {
    private static let function = CUDAFunction("elementwise", "sum_of_terms")
    private static let aligned = CUDAFunctions("elementwise", "sum_of_aligned")

    func launch(on queue: CUDAQueue) {
        guard output.count > 0 else { return }
        if areAlignedAlike(terms + [output]) {
            let (blocks, threads) = queue.sharing(output.count, perThread: perThread)
            return queue.launch(
                Self.aligned[output.dtype], blocks: blocks, threads: threads, overlaps: true, CUDATerms(terms: terms), output, output.count)
        }
        let (blocks, threads) = queue.sharing(output.count, perThread: 4)
        queue.launch(
            Self.function, blocks: blocks, threads: threads, overlaps: true, CUDATerms(terms: terms), output, output.dtype.code, output.count)
    }

    /// `Terms` of the kernel.
    private struct CUDATerms: CUDAArgument {
        let terms: [Slice]

        func append(to arguments: inout CUDAArguments) {
            for i in 0..<mostTerms { (i < terms.count ? terms[i] : nil).append(to: &arguments) }
            for i in 0..<mostTerms { (i < terms.count ? terms[i].dtype.code : 0).append(to: &arguments) }
            Int32(terms.count).append(to: &arguments)
            Int32(0).append(to: &arguments)
        }
    }
}

extension ScaleAndShift: CUDAKernel {
    private static let function = CUDAFunction("elementwise", "scale_shift")

    func launch(on queue: CUDAQueue) {
        let (blocks, threads) = queue.sharing(input.count, perThread: perThread)
        queue.launch(
            Self.function, blocks: blocks, threads: threads, overlaps: true, input, input.dtype.code, scale, shift, output, output.dtype.code,
            input.count)
    }
}

extension UnaryElementwise: CUDAKernel {
    private static let function = CUDAFunction("elementwise", "unary")

    func launch(on queue: CUDAQueue) {
        let (blocks, threads) = queue.sharing(input.count, perThread: perThread)
        queue.launch(
            Self.function, blocks: blocks, threads: threads, overlaps: true, operation.rawValue, input, input.dtype.code, output, output.dtype.code,
            input.count)
    }
}

extension UnaryElementwiseGradient: CUDAKernel {
    private static let function = CUDAFunction("elementwise", "unary_gradient")

    func launch(on queue: CUDAQueue) {
        let (blocks, threads) = queue.sharing(input.count, perThread: perThread)
        queue.launch(
            Self.function, blocks: blocks, threads: threads, overlaps: true, operation.rawValue, input, input.dtype.code, outputGradient,
            outputGradient.dtype.code,
            inputGradient, inputGradient.dtype.code, input.count)
    }
}

extension GatedActivation: CUDAKernel {
    private static let function = CUDAFunction("elementwise", "gated")
    private static let silu = CUDAFunctions("elementwise", "gated_silu")

    func launch(on queue: CUDAQueue) {
        let (blocks, threads) = queue.sharing(gate.count, perThread: perThread)
        if activation == .silu && areAlignedAlike([gate, up, output]) {
            return queue.launch(Self.silu[output.dtype], blocks: blocks, threads: threads, overlaps: true, gate, up, output, gate.count)
        }
        queue.launch(
            Self.function, blocks: blocks, threads: threads, overlaps: true, activation.rawValue, gate, gate.dtype.code, up, up.dtype.code, output,
            output.dtype.code, gate.count)
    }
}

extension GatedActivationGradient: CUDAKernel {
    private static let function = CUDAFunction("elementwise", "gated_gradient")
    private static let silu = CUDAFunctions("elementwise", "gated_silu_gradient")

    func launch(on queue: CUDAQueue) {
        let (blocks, threads) = queue.sharing(gate.count, perThread: perThread)
        if activation == .silu && areAlignedAlike([gate, up, outputGradient, gateGradient, upGradient]) {
            return queue.launch(
                Self.silu[gate.dtype], blocks: blocks, threads: threads, overlaps: true, gate, up, outputGradient, gateGradient, upGradient,
                gate.count)
        }
        queue.launch(
            Self.function, blocks: blocks, threads: threads, overlaps: true, activation.rawValue, gate, gate.dtype.code, up, up.dtype.code,
            outputGradient,
            outputGradient.dtype.code, gateGradient, gateGradient.dtype.code, upGradient, upGradient.dtype.code, gate.count)
    }
}
