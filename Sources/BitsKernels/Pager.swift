package import BitsSystem

/// Keeps paged memory in a device while there is room, and takes the rest through it one group after the other.
///
/// Users go through their groups in one order, so what comes first stays, and what finds no room is given up right behind its use: giving up the one that
/// was used longest ago would give up just what is needed next.
package final class Pager {
    /// Memory that is used together.
    package final class Group {
        fileprivate var pages: [any DevicePages] = []
        /// Whether it stays in.
        fileprivate var isResident = false
        /// Whether it has been away.
        fileprivate var wasGivenUp = false

        /// Where it counts as moments while it is in; nil while it is not.
        private var ledger: MemoryLedger?

        package init() {}

        deinit { noteOut() }

        /// Whether work on it needs no ``Pager/use(_:next:_:)``.
        package var isIn: Bool { pages.isEmpty || isResident }

        fileprivate var byteCount: Int { pages.reduce(0) { $0 + $1.byteCount } }

        fileprivate func noteIn(_ ledger: MemoryLedger) {
            guard self.ledger == nil else { return }
            ledger.add(byteCount, to: .moments)
            self.ledger = ledger
        }

        fileprivate func noteOut() {
            ledger?.remove(byteCount, from: .moments)
            ledger = nil
        }
    }

    /// What has been done so far, and how much there is now.
    package var counters: PagingCounters {
        var counters = counted
        counters.fileByteCount = store.byteCount
        return counters
    }
    private var counted = PagingCounters()
    private let device: Device
    private let store: any DevicePageStore
    private let limit: Int
    /// Being put away after its use.
    private var leaving: Group?

    /// Nil where `device` has no paged memory.
    ///
    /// - Parameters:
    ///   - folder: where files go, if the device makes any.
    ///   - residentByteCount: bytes that may stay in.
    /// - Throws: ``FileError`` when the folder cannot be used.
    package init?(on device: Device, folder: String, residentByteCount: Int) throws(FileError) {
        guard let store = try device.backend.openPageStore(folder: folder) else { return nil }
        self.device = device
        self.store = store
        limit = residentByteCount
    }

    /// Zeroed memory for `count` elements that belong to `group`.
    ///
    /// - Throws: ``FileError`` when there is no room for them.
    package func allocate(_ dtype: DType, count: Int, in group: Group) throws(FileError) -> Slice {
        let pages = try store.allocatePaged(byteCount: count * dtype.byteCount)
        group.pages.append(pages)
        return Slice(buffer: Buffer(device: device, pages: pages), dtype: dtype, count: count)
    }

    /// Submits `work` on `group`, which is not in, with its memory brought in, while that of `next` is on its way.
    package func use(_ group: Group, next: Group?, _ work: () -> Void) {
        let faults = store.faultCount
        // First of all what is needed now: there may not be room for both.
        wait { for page in group.pages { page.bringIn() } }
        group.noteIn(device.memory)
        if let next, next.wasGivenUp {
            for page in next.pages { page.prefetch() }
            next.noteIn(device.memory)
        }
        if group.wasGivenUp { counted.bytesIn += group.byteCount }
        work()
        counted.faults += store.faultCount - faults
        settle(group)
    }

    /// Waits for what is still leaving; to be called after the last group.
    package func finish() {
        guard let group = leaving else { return }
        wait { for page in group.pages { page.finishEviction() } }
        group.noteOut()
        counted.bytesOut += group.byteCount
        group.wasGivenUp = true
        leaving = nil
    }

    /// Takes in a group that was filled in another way than by ``use(_:next:_:)``; ``finish()`` is to be called after the last of them.
    package func admit(_ group: Group) {
        guard !group.pages.isEmpty else { return }
        for page in group.pages { page.bringIn() }
        group.noteIn(device.memory)
        settle(group)
    }

    /// Counts groups no longer that are about to go.
    package func drop(_ groups: some Sequence<Group>) {
        for group in groups {
            if group.isResident { counted.residentByteCount -= group.byteCount }
            if group === leaving { leaving = nil }
        }
    }

    private func settle(_ group: Group) {
        if counted.residentByteCount + group.byteCount <= limit {
            counted.residentByteCount += group.byteCount
            group.isResident = true
            return
        }
        finish()
        for page in group.pages { page.startEviction() }
        leaving = group
    }

    private func wait(_ work: () -> Void) {
        let duration = ContinuousClock().measure(work)
        counted.secondsWaited += Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
    }
}

/// What paging has done so far.
public struct PagingCounters: Sendable, Equatable {
    /// Bytes of moments read back from the file.
    public internal(set) var bytesIn = 0
    /// Bytes of moments written and given up.
    public internal(set) var bytesOut = 0
    /// Times that a step met a page which had to come from disk just then.
    public internal(set) var faults = 0
    /// Time that steps waited for pages to come or go.
    public internal(set) var secondsWaited = 0.0
    /// Bytes of the file.
    public internal(set) var fileByteCount = 0
    /// Bytes of paged moments that stay in memory.
    public internal(set) var residentByteCount = 0
}
