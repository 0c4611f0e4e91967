public import BitsCore
package import BitsKernels

// Shapes: M = rows (all leading dimensions), K = input width, N = output width.

extension Tensor {
    /// `self · weightᵀ + bias`, [.., K] by [N, K] to [.., N], with the weight read in 4 bits: no copy of it in a wider type is made, here or in the
    /// gradient.
    ///
    /// Sums are float32, with one rounding to the type of `self`. The gradient flows to `self` and `bias`; a quantized weight has none.
    ///
    /// - Parameter computeDType: `.bfloat16` and `.float16` round the operands of the products to them, here and in the gradient; nil follows the type of
    ///   `self`. An operand beyond 65504 is infinite in float16.
    /// - Note: Dettmers et al. 2023, "QLoRA", arXiv:2305.14314. Reference: `matmul_4bit`.
    public func linear(_ weight: FourBitTensor, bias: Tensor? = nil, computeDType: DType? = nil) -> Tensor {
        precondition(
            rank >= 1 && weight.shape.count == 2 && shape[rank - 1] == weight.shape[1], "product of \(shape) and 4-bit \(weight.shape) transposed")
        let precision = ProductPrecision(activations: computeDType ?? dtype)
        let matrix = weight.matrix
        let (input, shift, device) = (awaitedElements, bias?.elements, device)
        let result = result(shape.dropLast() + [matrix.rows]) {
            device.run(FourBitLinear(input(), weight: matrix, bias: shift, into: $0, precision: precision))
        }
        let (wantsInput, whole) = (carriesGradient, shape)
        let biasType: DType? = bias?.carriesGradient == true ? bias?.dtype : nil
        return result.recorded(from: [self] + (bias.map { [$0] } ?? [])) { gradient in
            var inputGradient: Tensor?
            if wantsInput {
                let dx = gradient.empty(whole)
                gradient.device.run(FourBitLinearInputGradient(gradient.slice, weight: matrix, into: dx.slice, precision: precision))
                inputGradient = dx
            }
            return [inputGradient, biasType.map { gradient.reshaped(-1, matrix.rows).sum(axis: 0).cast(to: $0) }]
        }
    }
}
