extension StridedCopy {
    package func reference(_ memory: some ReferenceMemory) {
        let from = source.slice
        let to = destination.slice
        let places = zip(source.elementOffsets, destination.elementOffsets)
        if from.dtype == to.dtype {
            let width = from.dtype.byteCount
            let bytes = memory.load(from)
            var result = memory.load(to)
            for (i, j) in places {
                for k in 0..<width { result[j * width + k] = bytes[i * width + k] }
            }
            memory.store(result, to: to)
        } else if to.dtype.isFloatingPoint {
            let values = memory.floats(from)
            var result = memory.floats(to)
            for (i, j) in places { result[j] = values[i] }
            memory.store(result, to: to)
        } else {
            let values = from.dtype.isFloatingPoint ? memory.floats(from).map { $0.integer(for: to.dtype) } : memory.integers(from)
            var result = memory.integers(to)
            for (i, j) in places { result[j] = values[i] }
            memory.store(result, to: to)
        }
    }
}

extension Float {
    /// The value as an element of an integer type, before saturation: toward zero, or "not zero" for bool.
    fileprivate func integer(for dtype: DType) -> Int { dtype == .bool ? (self == 0 ? 0 : 1) : clampedToInt }
}

extension Fill {
    package func reference(_ memory: some ReferenceMemory) {
        memory.store([Float](repeating: value, count: destination.count), to: destination)
    }
}

extension StridedSlice {
    /// Where the elements lie, in row-major order of the shape, counted from the slice's start.
    var elementOffsets: [Int] {
        var offsets = [0]
        for (size, stride) in zip(shape, strides) { offsets = offsets.flatMap { start in (0..<size).map { start + $0 * stride } } }
        return offsets
    }
}

extension ReferenceMemory {
    /// The elements of `operand` in row-major order of its shape, widened to float32.
    func floats(_ operand: StridedSlice) -> [Float] {
        let values = floats(operand.slice)
        return operand.elementOffsets.map { values[$0] }
    }
}
