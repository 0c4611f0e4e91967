package import BitsCore
import BitsKernels

// Shapes: M = rows (all leading dimensions), K = input width, N = output width, R = rank.

/// Rows up to which products with a 4-bit weight and with its update are queued one by one: a device may read the weight for so few as it lies, and join what
/// follows while it records.
private let fewRows = 128

extension Tensor {
    /// `self · (weight + scale * up · down)ᵀ + bias`, [.., K] by [N, K] to [.., N]: a layer in 4 bits with a low-rank update, down [R, K], up [N, R]. float32
    /// sums.
    ///
    /// For many rows a device may add the update to the weight while it decodes it, and round the sum of both; so it may in the gradient. Otherwise this is
    /// ``linear(_:bias:computeDType:)`` and ``addingLowRank(of:down:up:scale:computeDType:)``.
    ///
    /// - Parameter computeDType: what the products round their operands to, here and in the gradients.
    package func linear(
        _ weight: FourBitTensor, bias: Tensor?, addingLowRank down: Tensor, _ up: Tensor, scale: Float, computeDType: DType
    ) -> Tensor {
        let (rank, k, n, m) = (down.shape[0], down.shape[1], up.shape[0], count / max(shape.last ?? 1, 1))
        guard m > fewRows, weight.shape == [n, k], shape.last == k, up.shape[1] == rank, bias?.carriesGradient != true else {
            return linear(weight, bias: bias, computeDType: computeDType)
                .addingLowRank(of: self, down: down, up: up, scale: scale, computeDType: computeDType)
        }
        let (a, b, matrix, precision) = (down.elements, up.elements, weight.matrix, ProductPrecision(activations: computeDType))
        let (input, shift, device) = (awaitedElements, bias?.elements, device)
        let (wantsInput, wantsDown, wantsUp) = (carriesGradient, down.carriesGradient, Tensor.records([up]))
        // scale * self · downᵀ comes with the product, or, where that may never be computed, from what is kept of the input.
        let comesLate = Tape.putsResultsOff
        let operand = wantsDown || wantsUp && comesLate ? KeptElements(of: self, input()) : nil
        let written = wantsUp && !comesLate ? device.allocate(precision.dtype, count: m * rank) : nil
        let update = LowRankUpdate(down: a, up: b, scale: scale, rank: rank, narrow: written)
        let result = result(shape.dropLast() + [n]) {
            device.run(FourBitLinear(input(), weight: matrix, update: update, bias: shift, into: $0, precision: precision))
        }
        var narrow = written.map { KeptElements($0) }
        if wantsUp, comesLate, let operand {
            narrow = KeptElements(
                LateElements(precision.dtype, device) {
                    let result = device.allocate(precision.dtype, count: m * rank)
                    device.run(ScaledProduct(scale, operand.slice, a, into: result, m: m, n: rank, k: k, transposesB: true, precision: precision))
                    return result
                })
        }
        let (inputShape, inputType, downType, upType) = (shape, dtype, down.dtype, up.dtype)
        return result.recorded(from: [self, down, up]) { [narrow] gradient in
            let (g, device) = (gradient.slice, gradient.device)
            var (dx, da, db): (Tensor?, Tensor?, Tensor?)
            let back = wantsDown ? gradient.empty([m, rank], precision.dtype) : nil  // scale * gradient · up
            if wantsInput {
                let result = gradient.empty(inputShape, inputType)
                let update = LowRankUpdate(down: a, up: b, scale: scale, rank: rank, narrow: back?.slice)
                device.run(FourBitLinearInputGradient(g, weight: matrix, update: update, into: result.slice, precision: precision))
                dx = result
            } else if let back {
                device.run(ScaledProduct(scale, g, b, into: back.slice, m: m, n: rank, k: n, precision: precision))
            }
            if wantsDown, let back, let input = operand?.slice {
                let result = gradient.empty([rank, k], downType)
                device.run(MatrixProduct(back.slice, input, into: result.slice, m: rank, n: k, k: m, transposesA: true, precision: precision))
                da = result
            }
            if let narrow {
                let result = gradient.empty([n, rank], upType)
                device.run(MatrixProduct(g, narrow.slice, into: result.slice, m: n, n: rank, k: m, transposesA: true, precision: precision))
                db = result
            }
            return [dx, da, db]
        }
    }
}
