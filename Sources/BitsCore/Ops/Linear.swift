package import BitsKernels

// Shapes: M = rows (all leading dimensions), K = input width, N = output width.

extension ProductPrecision {
    /// Products of activations in 16 bits round their operands to the activations' type; all others are float32. Sums are float32.
    package init(activations: DType) {
        switch activations {
        case .bfloat16: self = .bfloat16
        case .float16: self = .float16
        default: self = .float32
        }
    }
}

extension Tensor {
    /// `self · other`, [.., M, K] by [K, N] to [.., M, N]; float32 sums, one rounding to the type of `self`.
    public func matrixProduct(_ other: Tensor) -> Tensor { product(other, transposesOther: false, bias: nil, computeDType: nil) }

    /// `self · weightᵀ + bias`, [.., K] by [N, K] to [.., N]: a linear layer. float32 sums, one rounding to the type of `self`.
    ///
    /// - Parameter computeDType: `.bfloat16` and `.float16` round the operands of the products to them, here and in the gradients; nil follows the type of
    ///   `self`. An operand beyond 65504 is infinite in float16.
    public func linear(_ weight: Tensor, bias: Tensor? = nil, computeDType: DType? = nil) -> Tensor {
        product(weight, transposesOther: true, bias: bias, computeDType: computeDType)
    }

    private func product(_ other: Tensor, transposesOther: Bool, bias: Tensor?, computeDType: DType?) -> Tensor {
        precondition(other.rank == 2 && rank >= 1, "product of \(shape) and \(other.shape)")
        let (k, n) = transposesOther ? (other.shape[1], other.shape[0]) : (other.shape[0], other.shape[1])
        precondition(shape[rank - 1] == k, "product of \(shape) and \(other.shape)\(transposesOther ? " transposed" : "")")
        let m = Shape.count(Array(shape.dropLast()))
        let (x, w, shift, device) = (awaitedElements, other.elements, bias?.elements, device)
        let precision = ProductPrecision(activations: computeDType ?? dtype)
        let result = result(shape.dropLast() + [n]) {
            device.run(MatrixProduct(x(), w, into: $0, m: m, n: n, k: k, transposesB: transposesOther, bias: shift, precision: precision))
        }
        let (wantsInput, otherType, whole) = (node != nil, other.dtype, shape)
        let operand = other.node == nil ? nil : KeptElements(of: self, x())
        let biasType: DType? = bias?.node == nil ? nil : bias?.dtype
        return result.recorded(from: [self, other] + (bias.map { [$0] } ?? [])) { gradient in
            let g = gradient.slice
            var inputGradient: Tensor?
            var otherGradient: Tensor?
            if wantsInput {
                let dx = gradient.empty(whole)
                gradient.device.run(MatrixProduct(g, w, into: dx.slice, m: m, n: k, k: n, transposesB: !transposesOther, precision: precision))
                inputGradient = dx
            }
            if let x = operand?.slice {
                let dw = gradient.empty(transposesOther ? [n, k] : [k, n], otherType)
                gradient.device.run(
                    transposesOther
                        ? MatrixProduct(g, x, into: dw.slice, m: n, n: k, k: m, transposesA: true, precision: precision)
                        : MatrixProduct(x, g, into: dw.slice, m: k, n: n, k: m, transposesA: true, precision: precision))
                otherGradient = dw
            }
            return [inputGradient, otherGradient, biasType.map { gradient.reshaped(m, n).sum(axis: 0).cast(to: $0) }]
        }
    }
}
