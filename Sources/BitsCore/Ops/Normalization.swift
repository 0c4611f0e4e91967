import BitsKernels

extension Tensor {
    /// `x / sqrt(mean(x^2) + epsilon) * weight` over the last axis (Zhang and Sennrich 2019).
    public func rmsNorm(weight: Tensor, epsilon: Float) -> Tensor {
        let width = weight.count
        precondition(weight.rank == 1 && shape.last == width, "RMS norm of \(shape) with a weight of shape \(weight.shape)")
        let (x, w, result) = (elements, weight.elements, empty(shape))
        let reciprocal = Tensor.records([self, weight]) ? device.allocate(.float32, count: count / max(width, 1)) : nil
        device.run(RMSNorm(x, weight: w, epsilon: epsilon, into: result.slice, reciprocal: reciprocal))
        guard let reciprocal else { return result }
        let (wantsInput, wantsWeight, weightType) = (node != nil, weight.node != nil, weight.dtype)
        let again: @Sendable () -> Slice = {
            let result = x.device.allocate(x.dtype, count: x.count)
            x.device.run(RMSNorm(x, weight: w, epsilon: epsilon, into: result, reciprocal: nil))
            return result
        }
        return result.recorded(from: [self, weight], again: again) { gradient in
            let dx = wantsInput ? gradient.empty(gradient.shape) : nil
            let dw = wantsWeight ? gradient.empty([width], .float32) : nil
            gradient.device.run(
                RMSNormGradient(
                    input: x, weight: w, reciprocal: reciprocal, outputGradient: gradient.slice, inputGradient: dx?.slice, weightGradient: dw?.slice))
            return [dx, dw?.cast(to: weightType)]
        }
    }

    /// `(x - mean) / sqrt(variance + epsilon) * weight + bias` over the last axis (Ba et al. 2016).
    public func layerNorm(weight: Tensor, bias: Tensor?, epsilon: Float) -> Tensor {
        let width = weight.count
        precondition(
            weight.rank == 1 && shape.last == width && (bias == nil || bias!.count == width),
            "layer norm of \(shape) with a weight of shape \(weight.shape)")
        let (x, w, result, rows) = (elements, weight.elements, empty(shape), count / max(width, 1))
        let inputs = [self, weight] + (bias.map { [$0] } ?? [])
        let records = Tensor.records(inputs)
        let mean = records ? device.allocate(.float32, count: rows) : nil
        let reciprocal = records ? device.allocate(.float32, count: rows) : nil
        device.run(
            LayerNorm(x, width: width, weight: w, bias: bias?.elements, epsilon: epsilon, into: result.slice, mean: mean, reciprocal: reciprocal))
        guard let mean, let reciprocal else { return result }
        let (wantsInput, weightType) = (node != nil, weight.node == nil ? nil : weight.dtype)
        let biasType: DType? = bias?.node == nil ? nil : bias?.dtype
        let b = bias?.elements
        let again: @Sendable () -> Slice = {
            let result = x.device.allocate(x.dtype, count: x.count)
            x.device.run(LayerNorm(x, width: width, weight: w, bias: b, epsilon: epsilon, into: result, mean: nil, reciprocal: nil))
            return result
        }
        return result.recorded(from: inputs, again: again) { gradient in
            let dx = wantsInput ? gradient.empty(gradient.shape) : nil
            let dw = weightType == nil ? nil : gradient.empty([width], .float32)
            let db = biasType == nil ? nil : gradient.empty([width], .float32)
            gradient.device.run(
                LayerNormGradient(
                    input: x, width: width, weight: w, mean: mean, reciprocal: reciprocal, outputGradient: gradient.slice, inputGradient: dx?.slice,
                    weightGradient: dw?.slice, biasGradient: db?.slice))
            return [dx, weightType.flatMap { dw?.cast(to: $0) }, biasType.flatMap { db?.cast(to: $0) }]
        }
    }
}
