internal import Synchronization

/// A copy without contents: what it takes of the device's memory is counted.
final class CountingAwayCopy: AwayCopy {
    private struct State {
        var source: Slice?
        var fetched: Slice?
    }

    private let device: Device
    private let dtype: DType
    private let count: Int
    private let state: Mutex<State>

    init(of slice: Slice) {
        (device, dtype, count) = (slice.device, slice.dtype, slice.count)
        state = Mutex(State(source: slice))
    }

    func letGo() { state.withLock { $0.source = nil } }

    func prefetch() { state.withLock { $0.fetched = $0.fetched ?? device.allocate(dtype, count: count) } }

    func bringBack() -> Slice { state.withLock { $0.fetched.take() } ?? device.allocate(dtype, count: count) }
}
