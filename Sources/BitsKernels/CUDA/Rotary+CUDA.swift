extension Rotary: CUDAKernel {
    private static let functions = CUDAFunctions("rotary", "rotary")

    func launch(on queue: CUDAQueue) {
        guard output.count > 0 else { return }
        let (blocks, threads) = queue.sharing(output.count, perThread: 8)
        queue.launch(
            Self.functions[input.dtype, output.dtype], blocks: blocks, threads: threads, overlaps: true, input, cosine, sine, positions, rows, tokens,
            Int32(heads), Int32(headWidth / 2), Int32(inverse ? 1 : 0), output)
    }
}
