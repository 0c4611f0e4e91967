package import BitsKernels

extension Tensor {
    /// The same elements in another shape of equal count; one dimension may be -1 (what is left). A view where the memory allows, else a copy.
    public func reshaped(_ dimensions: [Int]) -> Tensor {
        var target = dimensions
        if let free = target.firstIndex(of: -1) {
            let known = target.reduce(1) { $1 == -1 ? $0 : $0 * $1 }
            precondition(known > 0 && count % known == 0, "\(shape) cannot be reshaped to \(dimensions)")
            target[free] = count / known
        }
        precondition(Shape.count(target) == count, "\(shape) cannot be reshaped to \(dimensions)")
        let source = isContiguous ? self : contiguous()
        let view = Tensor(source.slice, shape: target, strides: rowMajorStrides(target))
        let original = shape
        return view.recorded(from: [self]) { [$0.reshaped(original)] }
    }

    public func reshaped(_ dimensions: Int...) -> Tensor { reshaped(dimensions) }

    /// A view with two axes exchanged; negative axes count from the back.
    public func transposed(_ first: Int = -2, _ second: Int = -1) -> Tensor {
        let (a, b) = (Shape.axis(first, rank: rank), Shape.axis(second, rank: rank))
        var (shape, strides) = (shape, strides)
        shape.swapAt(a, b)
        strides.swapAt(a, b)
        return Tensor(slice, shape: shape, strides: strides).recorded(from: [self]) { [$0.transposed(a, b)] }
    }

    /// A view of `range` along `axis`.
    public func narrowed(axis: Int, to range: Range<Int>) -> Tensor {
        let axis = Shape.axis(axis, rank: rank)
        precondition(range.lowerBound >= 0 && range.upperBound <= shape[axis], "range \(range) outside axis \(axis) of \(self.shape)")
        var shape = shape
        shape[axis] = range.count
        let start = min(range.lowerBound * strides[axis], slice.count)
        let view = Tensor(slice[start..<slice.count], shape: shape, strides: strides)
        let original = self.shape
        return view.recorded(from: [self]) { gradient in
            let whole = Tensor.zeros(original, dtype: gradient.dtype, device: gradient.device)
            gradient.device.run(StridedCopy(from: gradient.strided, to: whole.narrowed(axis: axis, to: range).strided))
            return [whole]
        }
    }

    /// A view repeated to `target`, to which the shape broadcasts.
    public func broadcast(to target: [Int]) -> Tensor {
        if target == shape { return self }
        precondition(Shape.broadcast(shape, target) == target, "\(shape) does not broadcast to \(target)")
        let lead = target.count - rank
        let strides = (0..<target.count).map { $0 < lead || shape[$0 - lead] == 1 && target[$0] != 1 ? 0 : self.strides[$0 - lead] }
        let original = shape
        return Tensor(slice, shape: target, strides: strides).recorded(from: [self]) { [$0.summed(to: original)] }
    }

    /// The same values, row-major without gaps; itself if they lie so already.
    public func contiguous() -> Tensor {
        if isContiguous { return slice.count == count ? self : Tensor(slice[0..<count], shape: shape, strides: rowMajorStrides(shape), node: node) }
        let copy = empty(shape)
        device.run(StridedCopy(from: strided, to: copy.strided))
        return copy.recorded(from: [self]) { [$0] }
    }

    /// The values converted to `dtype`, rounded to nearest even.
    public func cast(to dtype: DType) -> Tensor {
        if dtype == self.dtype { return self }
        let copy = empty(shape, dtype)
        let source = isContiguous ? StridedSlice(contiguous: elements, shape: [count]) : strided  // a row has no limit on its dimensions
        device.run(StridedCopy(from: source, to: isContiguous ? StridedSlice(contiguous: copy.slice, shape: [count]) : copy.strided))
        let original = self.dtype
        return copy.recorded(from: [self]) { [$0.cast(to: original)] }
    }

    /// The tensors one after the other along `axis`; other dimensions and types are equal.
    public static func concatenated(_ parts: [Tensor], axis: Int = 0) -> Tensor {
        precondition(!parts.isEmpty, "nothing to concatenate")
        let axis = Shape.axis(axis, rank: parts[0].rank)
        var shape = parts[0].shape
        shape[axis] = parts.reduce(0) { $0 + $1.shape[axis] }
        let whole = parts[0].empty(shape)
        var ranges: [Range<Int>] = []
        for part in parts {
            var expected = part.shape
            expected[axis] = shape[axis]
            precondition(expected == shape && part.dtype == parts[0].dtype, "\(part) cannot be joined to \(parts[0]) along axis \(axis)")
            let start = ranges.last?.upperBound ?? 0
            ranges.append(start..<start + part.shape[axis])
            if part.count > 0 { whole.device.run(StridedCopy(from: part.strided, to: whole.narrowed(axis: axis, to: ranges.last!).strided)) }
        }
        return whole.recorded(from: parts) { [ranges] gradient in ranges.map { gradient.narrowed(axis: axis, to: $0) } }
    }
}
