public import BitsCore
import BitsKernels

// Shapes: M = rows (all leading dimensions), K = input width, N = output width.

extension Tensor {
    /// `self · weightᵀ + bias`, [.., K] by [N, K] to [.., N], by LLM.int8(): `self` is quantized row by row, multiplied exactly and rescaled, and columns
    /// with outliers are multiplied as they are.
    ///
    /// One rounding to the type of `self`, which is quantized as it is, without a detour through float16. A row that holds NaN gives NaN throughout; so
    /// does one with an infinity that is no outlier. The gradient flows to `self` (as the product with the dequantized weight has it) and `bias`; a
    /// quantized weight has none. K is at most 133,144, so that sums fit.
    ///
    /// - Parameter outlierThreshold: entries of at least this magnitude make their column an outlier column; 0 for none, 6 as a rule.
    /// - Note: Dettmers et al. 2022, "LLM.int8()", arXiv:2208.07339. Reference: `matmul` with `MatmulLtState`.
    public func linear(_ weight: Int8Tensor, bias: Tensor? = nil, outlierThreshold: Float = 0) -> Tensor {
        linearInt8(weight, trained: nil, bias: bias, outlierThreshold: outlierThreshold)
    }

    /// The same with a weight that is trained: its gradient is a product in int8, too.
    ///
    /// `weightGradient = dequantized(quantizedColumns(gradient)ᵀ · quantizedColumns(self))`; outlier columns are multiplied as they are.
    /// At most 133,144 rows, so that sums fit.
    ///
    /// - Parameters:
    ///   - weight: [N, K], a trainable parameter's tensor; only its gradient matters here.
    ///   - quantized: the same weight as ``BitsQuant/Int8Tensor/init(weight:)`` makes it, which the product reads.
    /// - Note: the reference rescales the gradient's row-quantized codes with its column scales; here codes and scales belong together. Reference: `matmul`
    ///   with `has_fp16_weights`.
    public func linearInt8(_ weight: Tensor, quantized: Int8Tensor, bias: Tensor? = nil, outlierThreshold: Float = 0) -> Tensor {
        precondition(weight.shape == quantized.shape, "a weight of shape \(weight.shape) quantized to \(quantized.shape)")
        return linearInt8(quantized, trained: weight, bias: bias, outlierThreshold: outlierThreshold)
    }

    private func linearInt8(_ weight: Int8Tensor, trained: Tensor?, bias: Tensor?, outlierThreshold: Float) -> Tensor {
        precondition(
            rank >= 1 && weight.shape.count == 2 && width == weight.shape[1], "product of \(shape) and int8 \(weight.shape) transposed")
        precondition(outlierThreshold >= 0, "outlier threshold \(outlierThreshold); use 0 for none")
        let (m, n, k) = (rows, weight.shape[0], weight.shape[1])
        let (x, matrix, shift, device) = (awaitedElements, weight.matrix, bias?.elements, device)
        let result = result(shape.dropLast() + [n]) {
            device.run(Int8Linear(x(), weight: matrix, bias: shift, threshold: outlierThreshold, into: $0, m: m))
        }

        let (trains, hasBias) = (trained != nil, bias != nil)
        let (wantsInput, whole, precision) = (carriesGradient, shape, ProductPrecision(activations: dtype))
        let weightOperand = trained?.carriesGradient == true ? trained.map { (input: KeptElements(of: self, x()), type: $0.dtype) } : nil
        let biasType = bias?.carriesGradient == true ? bias?.dtype : nil
        return result.recorded(from: [self] + (trained.map { [$0] } ?? []) + (bias.map { [$0] } ?? [])) { gradient in
            var inputGradient: Tensor?
            if wantsInput {
                let dx = gradient.empty(whole)
                gradient.device.run(Int8LinearInputGradient(gradient.slice, weight: matrix, into: dx.slice, m: m, precision: precision))
                inputGradient = dx
            }
            var gradients = [inputGradient]
            if trains {
                gradients.append(
                    weightOperand.map { input, type in
                        let dw = gradient.empty([n, k], type)
                        let kernel = Int8LinearWeightGradient(
                            gradient.slice, input: input.slice, threshold: outlierThreshold, into: dw.slice, m: m, n: n, k: k)
                        gradient.device.run(kernel)
                        return dw
                    })
            }
            if hasBias { gradients.append(biasType.map { gradient.reshaped(m, n).sum(axis: 0).cast(to: $0) }) }
            return gradients
        }
    }
}
