internal import CBitsCPU

extension Processor {
    /// Calls `body` once for each part 0 ..< `parts`, on the threads that kernels share, and returns when all are done.
    ///
    /// Inside a part, or while another thread has the pool, parts run one after the other on the calling thread.
    package static func perform(parts: Int, _ body: @Sendable (_ part: Int) -> Void) {
        withoutActuallyEscaping(body) { body in
            let box = Box(body)
            unsafe bits_pool_run(
                Int64(parts), { context, part in unsafe Unmanaged<Box>.fromOpaque(context!).takeUnretainedValue().body(Int(part)) },
                Unmanaged.passUnretained(box).toOpaque())
            withExtendedLifetime(box) {}
        }
    }

    private final class Box: Sendable {
        let body: @Sendable (Int) -> Void
        init(_ body: @escaping @Sendable (Int) -> Void) { self.body = body }
    }
}
