/// How rows are shared between threads: a warp for each where they are short, else a block.
struct CUDARows {
    let blocks: Int
    let threads: Int
    /// 1 where a row has a warp, 0 where it has a block; what kernels of rows take last.
    let isWarp: Int32

    /// - Parameters:
    ///   - perThread: elements that a thread takes at once.
    ///   - mostThreads: of a block, as the kernel is bound to.
    init(_ rows: Int, width: Int, perThread: Int, mostThreads: Int = 1024) {
        if width <= 32 * perThread {
            (blocks, threads, isWarp) = ((rows + 3) / 4, 128, 1)
        } else {
            (blocks, threads, isWarp) = (rows, min(mostThreads, (width + 32 * perThread - 1) / (32 * perThread) * 32), 0)
        }
    }
}

extension CUDAQueue {
    /// Blocks and threads for `count` elements of which each thread takes `perThread` at once: small blocks where there are few, so that more
    /// multiprocessors take part.
    func sharing(_ count: Int, perThread: Int) -> (blocks: Int, threads: Int) {
        let threads = count < perThread * 256 * properties.multiprocessorCount ? 64 : 256
        return ((count + perThread * threads - 1) / (perThread * threads), threads)
    }
}
