import BitsKernels

extension Tensor {
    private func reduced(_ operation: Reduce.Operation, _ axis: Int, keepingAxis: Bool, dtype: DType? = nil) -> Tensor {
        let axis = Shape.axis(axis, rank: rank)
        let (outer, inner) = (Shape.count(Array(shape[..<axis])), Shape.count(Array(shape[(axis + 1)...])))
        var kept = shape
        kept[axis] = 1
        var dropped = shape
        dropped.remove(at: axis)
        let result = empty(keepingAxis ? kept : dropped, dtype)
        device.run(Reduce(operation, elements, outer: outer, axis: shape[axis], inner: inner, into: result.slice))
        return result
    }

    /// The sum over `axis`.
    public func sum(axis: Int, keepingAxis: Bool = false) -> Tensor {
        let (whole, resolved) = (shape, Shape.axis(axis, rank: rank))
        return reduced(.sum, axis, keepingAxis: keepingAxis).recorded(from: [self]) { gradient in
            var kept = whole
            kept[resolved] = 1
            return [gradient.reshaped(kept).broadcast(to: whole)]
        }
    }

    /// The mean over `axis`.
    public func mean(axis: Int, keepingAxis: Bool = false) -> Tensor {
        sum(axis: axis, keepingAxis: keepingAxis) * (1 / Float(shape[Shape.axis(axis, rank: rank)]))
    }

    /// The sum of all elements, a scalar.
    public func sum() -> Tensor { reshaped(-1).sum(axis: 0) }

    /// The mean of all elements, a scalar.
    public func mean() -> Tensor { sum() * (1 / Float(count)) }

    /// Adds up over the axes that broadcasting `original` to this shape repeated: in float32, with one rounding.
    func summed(to original: [Int]) -> Tensor {
        if shape == original { return self }
        var result = self
        while result.rank > original.count { result = result.reduced(.sum, 0, keepingAxis: false, dtype: .float32) }
        for axis in 0..<original.count where original[axis] == 1 && result.shape[axis] != 1 {
            result = result.reduced(.sum, axis, keepingAxis: true, dtype: .float32)
        }
        return result.reshaped(original).cast(to: dtype)
    }

    /// The largest element over `axis`; no gradient.
    public func maximum(axis: Int, keepingAxis: Bool = false) -> Tensor { reduced(.maximum, axis, keepingAxis: keepingAxis) }

    /// The sum of squares of all elements in float32, a scalar; no gradient.
    public func sumOfSquares() -> Tensor {
        let result = empty([], .float32)
        device.run(Reduce(.sumOfSquares, elements, outer: 1, axis: count, inner: 1, into: result.slice))
        return result
    }

    /// The index of the largest element of each row of the last axis, int32; the first of equals.
    public func argMax() -> Tensor {
        precondition(rank > 0 && shape[rank - 1] > 0, "argMax of \(shape)")
        let rows = Array(shape.dropLast())
        let result = empty(rows, .int32)
        device.run(ArgMax(elements, rows: Shape.count(rows), into: result.slice))
        return result
    }

    /// `exp(x) / sum exp(x)` over the last axis.
    public func softmax() -> Tensor {
        let (width, result) = (shape.last ?? 1, empty(shape))
        device.run(Softmax(elements, width: width, into: result.slice))
        let output = result.slice
        return result.recorded(from: [self]) { gradient in
            let back = gradient.empty(gradient.shape)
            gradient.device.run(SoftmaxGradient(output: output, outputGradient: gradient.slice, width: width, into: back.slice))
            return [back]
        }
    }
}
