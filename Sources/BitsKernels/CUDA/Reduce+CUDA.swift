extension Reduce: CUDAKernel {
    private static let rows = functions("reduce_rows")
    private static let columns = functions("reduce_columns")

    /// A function for each operation, in their order; a mean is a sum that is divided.
    private static func functions(_ name: String) -> [CUDAFunction] {
        let sum = CUDAFunction("reduce", "\(name)_sum")
        return [sum, sum, CUDAFunction("reduce", "\(name)_maximum"), CUDAFunction("reduce", "\(name)_squares")]
    }

    func launch(on queue: CUDAQueue) {
        guard output.count > 0 else { return }
        let divisor = operation == .mean ? Float(axis) : 1
        let pieces = pieces(multiprocessors: queue.properties.multiprocessorCount)
        if pieces.count == 1 { return launch(operation, input, axis, pieces, divisor: divisor, into: output, on: queue) }
        let parts = queue.scratch(.float32, count: output.count * pieces.count)
        launch(operation, input, axis, pieces, divisor: 1, into: parts, on: queue)
        launch(
            operation == .maximum ? .maximum : .sum, parts, pieces.count, Pieces(count: 1, length: pieces.count), divisor: divisor, into: output,
            on: queue)
    }

    /// What an axis is cut into; all but the last are equally long.
    private struct Pieces {
        let count: Int
        let length: Int
    }

    /// Enough pieces for all multiprocessors, none of them too short to be worth it.
    private func pieces(multiprocessors: Int) -> Pieces {
        let (blocks, shortest) = inner == 1 ? (outer, 16384) : (outer * ((inner + 127) / 128), 64)
        let wanted = min(8 * multiprocessors / blocks, axis / shortest)
        guard wanted > 1 else { return Pieces(count: 1, length: max(axis, 1)) }
        let length = ((axis + wanted - 1) / wanted + 3) / 4 * 4
        return Pieces(count: (axis + length - 1) / length, length: length)
    }

    private func launch(
        _ operation: Operation, _ input: Slice, _ axis: Int, _ pieces: Pieces, divisor: Float, into output: Slice, on queue: CUDAQueue
    ) {
        if inner == 1 {
            let shared = CUDARows(outer * pieces.count, width: pieces.length, perThread: 16, mostThreads: 512)
            queue.launch(
                Self.rows[Int(operation.rawValue)], blocks: shared.blocks, threads: shared.threads, overlaps: true, input, input.dtype.code, outer,
                axis,
                pieces.length, pieces.count, divisor, output, output.dtype.code, shared.isWarp)
        } else {
            queue.launch(
                Self.columns[Int(operation.rawValue)], blocks: outer * pieces.count * ((inner + 127) / 128), threads: 256, overlaps: true, input,
                input.dtype.code,
                axis, inner, pieces.length, pieces.count, divisor, output, output.dtype.code)
        }
    }
}

extension ArgMax: CUDAKernel {
    private static let function = CUDAFunction("reduce", "argmax")

    func launch(on queue: CUDAQueue) {
        guard rows > 0 else { return }
        let width = input.count / rows
        let shared = CUDARows(rows, width: width, perThread: 16)
        queue.launch(
            Self.function, blocks: shared.blocks, threads: shared.threads, overlaps: true, input, input.dtype.code, output, output.dtype.code, rows,
            width,
            shared.isWarp)
    }
}
