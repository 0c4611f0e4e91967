import BitsCore
import BitsKernels
import BitsSystem

/// Keeps paged moments in memory while there is room, and takes the others through it one after the other.
///
/// Steps go through parameters in one order, so what comes first stays, and what finds no room is given up right behind its use: giving up the one that
/// was used longest ago would give up just what is needed next.
final class Pager {
    let file: PageFile
    private(set) var counters = PagingCounters()
    private let limit: Int
    /// Being written after its use.
    private var leaving: ParameterState?

    init(_ paging: Paging) throws(OptimizerError) {
        let folder = paging.folder ?? FileSystem.temporaryFolder
        do { file = try PageFile(folder: folder) } catch { throw .file(error) }
        limit = paging.residentByteCount ?? (SystemMemory.availableByteCount ?? 1 << 30) / 2
    }

    /// Zeroed memory for `count` elements.
    func allocate(_ dtype: DType, count: Int, on device: Device) throws(OptimizerError) -> (Slice, PagedMemory) {
        let pages: PagedMemory
        do { pages = try file.reserve(byteCount: count * dtype.byteCount) } catch { throw .file(error) }
        guard let buffer = Buffer(device: device, pages: pages) else {
            throw .unsupported("paged moments lie in the host's memory, which \(device.name) cannot use; keep them unpaged there")
        }
        counters.fileByteCount = file.byteCount
        return (Slice(buffer: buffer, dtype: dtype, count: count), pages)
    }

    /// Runs `step` with the moments of `state`, which are not in memory, fetched there, while those of `next` are on their way.
    func use(_ state: ParameterState, next: ParameterState?, _ step: () -> Void) {
        next?.prefetch()
        let faults = PageFaults.major
        wait { for page in state.pages { page.populate() } }
        if state.wasGivenUp { counters.bytesIn += state.pagedByteCount }
        step()
        counters.faults += PageFaults.major - faults
        settle(state)
    }

    /// Waits for what is still leaving; to be called after the last parameter of a step.
    func finish() {
        guard let state = leaving else { return }
        wait { for page in state.pages { page.release() } }
        counters.bytesOut += state.pagedByteCount
        state.wasGivenUp = true
        leaving = nil
    }

    /// Takes in moments that a file filled instead of a step; ``finish()`` is to be called after the last of them.
    func admit(_ state: ParameterState) {
        if !state.pages.isEmpty { settle(state) }
    }

    /// Counts moments no longer that are about to go.
    func drop(_ states: some Sequence<ParameterState>) {
        for state in states {
            if state.isResident { counters.residentByteCount -= state.pagedByteCount }
            if state === leaving { leaving = nil }
        }
    }

    private func settle(_ state: ParameterState) {
        if counters.residentByteCount + state.pagedByteCount <= limit {
            counters.residentByteCount += state.pagedByteCount
            state.isResident = true
            return
        }
        finish()
        for page in state.pages { page.startWriting() }
        leaving = state
    }

    private func wait(_ work: () -> Void) {
        let clock = ContinuousClock()
        let duration = clock.measure(work)
        counters.secondsWaited += Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
    }
}

extension ParameterState {
    var pagedByteCount: Int { pages.reduce(0) { $0 + $1.byteCount } }

    fileprivate func prefetch() {
        guard wasGivenUp && !isResident else { return }
        for page in pages { page.prefetch() }
    }
}
