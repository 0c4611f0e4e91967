extension StridedCopy: CUDAKernel {
    private static let cast = CUDAFunction("elementwise", "cast")
    private static let fours = CUDAFunction("copy", "copy_converting_fours")
    private static let converting = CUDAFunction("copy", "copy_converting")
    /// For units of 1, 2, 4, 8 and 16 bytes.
    private static let units = (0..<5).map { CUDAFunction("copy", "copy_\(1 << $0)") }
    /// For elements of 1, 2, 4 and 8 bytes.
    private static let transposing = (0..<4).map { CUDAFunction("copy", "transpose_\(1 << $0)") }

    func launch(on queue: CUDAQueue) {
        // In the order of the destination, whose stretches are then written whole.
        let order = source.shape.indices.sorted { (destination.strides[$0], source.strides[$0]) > (destination.strides[$1], source.strides[$1]) }
        let shape = CUDAShape(order.map { source.shape[$0] }, [order.map { source.strides[$0] }, order.map { destination.strides[$0] }])
        guard shape.count > 0 else { return }
        if let transposed = transposition(shape) { return transpose(transposed, on: queue) }
        let (from, to) = (source.slice, destination.slice)
        if from.dtype == to.dtype { return copy(shape, on: queue) }
        if from.dtype.isFloatingPoint && to.dtype.isFloatingPoint {
            if shape.rank == 1 && shape.innerStride(0) == 1 && shape.innerStride(1) == 1 {
                let (blocks, threads) = queue.sharing(shape.count, perThread: 8)
                return queue.launch(
                    Self.cast, blocks: blocks, threads: threads, overlaps: true, from, from.dtype.code, to, to.dtype.code, shape.count)
            }
            if shape.rank > 0 && shape.divides(by: 4) && from.isAligned(to: 4 * from.dtype.byteCount) && to.isAligned(to: 4 * to.dtype.byteCount) {
                return convert(Self.fours, shape.divided(by: 4), perThread: 4, on: queue)
            }
        }
        convert(Self.converting, shape, perThread: 1, on: queue)
    }

    /// Copies bytes as they are, as many at once as lie together.
    private func copy(_ shape: CUDAShape, on queue: CUDAQueue) {
        let (from, to) = (source.slice, destination.slice)
        let width = from.dtype.byteCount
        if shape.rank == 0 || (shape.rank == 1 && shape.innerStride(0) == 1 && shape.innerStride(1) == 1) {
            return queue.copy(from[0..<shape.count], to: to[0..<shape.count])
        }
        let together = [16, 8, 4, 2].first { $0 > width && from.isAligned(to: $0) && to.isAligned(to: $0) && shape.divides(by: $0 / width) } ?? width
        let units = together == width ? shape : shape.divided(by: together / width)
        let (blocks, threads) = queue.sharing(units.count, perThread: 4)
        queue.launch(
            Self.units[together.trailingZeroBitCount], blocks: blocks, threads: threads, overlaps: true, from, units.strideArgument(0), to,
            units.strideArgument(1),
            units.sizeArgument, units.count)
    }

    private func convert(_ function: CUDAFunction, _ shape: CUDAShape, perThread: Int, on queue: CUDAQueue) {
        let (from, to) = (source.slice, destination.slice)
        let (blocks, threads) = queue.sharing(shape.count, perThread: perThread)
        queue.launch(
            function, blocks: blocks, threads: threads, overlaps: true, from, from.dtype.code, shape.strideArgument(0), to, to.dtype.code,
            shape.strideArgument(1),
            shape.sizeArgument, shape.count)
    }

    /// `shape` with the axis that lies together in the source before the last, which lies together in the destination; nil where it is no transposition.
    private func transposition(_ shape: CUDAShape) -> CUDAShape? {
        guard shape.rank >= 2, shape.innerStride(1) == 1, shape.innerStride(0) != 1, shape.sizes.last! >= 8,
            let axis = shape.strides[0].firstIndex(of: 1), shape.sizes[axis] >= 8
        else { return nil }
        var result = shape
        result.moveBeforeLast(axis)
        return result
    }

    private func transpose(_ shape: CUDAShape, on queue: CUDAQueue) {
        let (from, to) = (source.slice, destination.slice)
        let (tile, rows, columns) = (32, shape.sizes[shape.rank - 2], shape.sizes[shape.rank - 1])
        let tiles = (rows + tile - 1) / tile * ((columns + tile - 1) / tile)
        queue.launch(
            Self.transposing[from.dtype.byteCount.trailingZeroBitCount], blocks: tiles * (shape.count / (rows * columns)), threads: 256,
            overlaps: true, from,
            from.dtype.code, shape.strideArgument(0), to, to.dtype.code, shape.strideArgument(1), shape.sizeArgument)
    }
}

extension Fill: CUDAKernel {
    private static let function = CUDAFunction("copy", "fill")

    func launch(on queue: CUDAQueue) {
        guard destination.count > 0 else { return }
        let element = destination.dtype.bytes(of: [value])
        let pattern = (0..<8).reduce(UInt64(0)) { $0 | UInt64(element[$1 % element.count]) << (8 * $1) }
        let blocks = min((destination.byteCount + 4095) / 4096, 16 * queue.properties.multiprocessorCount)
        queue.launch(Self.function, blocks: blocks, threads: 256, overlaps: true, destination, destination.byteCount, pattern)
    }
}
