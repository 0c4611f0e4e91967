import BitsSystem
internal import Synchronization

/// Paged memory without contents, on either side.
final class CountingPageStore: DevicePageStore {
    private let taken = Atomic<Int>(0)

    let faultCount = 0
    var byteCount: Int { taken.load(ordering: .relaxed) }

    func allocatePaged(byteCount: Int) throws(FileError) -> any DevicePages {
        taken.wrappingAdd(byteCount, ordering: .relaxed)
        return CountingPages(byteCount: byteCount)
    }
}

/// What is in and what is away the pager counts.
private final class CountingPages: DevicePages {
    let address: UInt = 1 << 40
    let byteCount: Int

    init(byteCount: Int) { self.byteCount = byteCount }

    func prefetch() {}
    func bringIn() {}
    func startEviction() {}
    func finishEviction() {}
}
