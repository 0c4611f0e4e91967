import BitsKernels

extension Tensor {
    /// `self` with each element zeroed with probability `rate` and the others multiplied by `1 / (1 - rate)`, in its type.
    ///
    /// The mask is a function of the generator's place, the same on every device; the gradient draws it again, and so does a checkpointed block.
    /// Srivastava et al. 2014.
    public func dropout(_ rate: Float, using generator: inout RandomGenerator) -> Tensor {
        precondition(rate >= 0 && rate < 1, "a dropout rate of \(rate)")
        if rate == 0 { return self }
        let stream = generator.draw(count)
        let (input, shape) = (KeptElements(of: self, elements), shape)
        let again: @Sendable () -> Slice = { Tensor(input.slice, shape: shape).dropped(rate, from: stream).slice }
        return dropped(rate, from: stream).recorded(from: [self], again: again) { [$0.dropped(rate, from: stream)] }
    }

    private func dropped(_ rate: Float, from stream: RandomStream) -> Tensor {
        let result = empty(shape)
        device.run(Dropout(elements, rate: rate, from: stream, into: result.slice))
        return result
    }
}
