internal import Synchronization

/// Threads for work that waits: transfers, not arithmetic.
package enum Crew {
    private struct State<Result: Sendable, Failure: Error> {
        var next = 0
        var results: [Int: Result] = [:]
        var failure: Failure?
    }

    /// What `body` makes of each element, on `width` threads; after a failure nothing more is begun.
    package static func map<Element: Sendable, Result: Sendable, Failure: Error>(
        _ elements: [Element], width: Int, _ body: @Sendable (Element) throws(Failure) -> Result
    ) throws(Failure) -> [Result] {
        let state = Mutex(State<Result, Failure>())
        @Sendable func take() -> Int? {
            state.withLock {
                guard $0.failure == nil, $0.next < elements.count else { return nil }
                $0.next += 1
                return $0.next - 1
            }
        }
        withoutActuallyEscaping(body) { body in
            run(min(width, elements.count)) {
                while let index = take() {
                    do throws(Failure) {
                        let result = try body(elements[index])
                        state.withLock { $0.results[index] = result }
                    } catch {
                        state.withLock { $0.failure = $0.failure ?? error }
                    }
                }
            }
        }
        let (results, failure) = state.withLock { ($0.results, $0.failure) }
        if let failure { throw failure }
        return elements.indices.compactMap { results[$0] }
    }

    private final class Work: Sendable {
        let body: @Sendable () -> Void

        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Runs `body` on `width` threads, this one among them, and waits for all.
    private static func run(_ width: Int, _ body: @escaping @Sendable () -> Void) {
        let work = Work(body)
        var threads: [pthread_t] = []
        for _ in 0..<max(0, width - 1) {
            var thread = pthread_t()
            let context = unsafe Unmanaged.passRetained(work)
            let status = unsafe pthread_create(
                &thread, nil,
                { context in
                    if let context = unsafe context { unsafe Unmanaged<Work>.fromOpaque(context).takeRetainedValue().body() }
                    return nil
                }, context.toOpaque())
            // With fewer threads it takes longer, no more.
            if status == 0 { threads.append(thread) } else { unsafe context.release() }
        }
        body()
        for thread in threads { pthread_join(thread, nil) }
    }
}
