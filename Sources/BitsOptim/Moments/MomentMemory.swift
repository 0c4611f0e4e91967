import BitsCore
import BitsKernels
import BitsSystem

extension Pager {
    /// What pages moments on `device` as `paging` says.
    static func forMoments(_ paging: Paging, on device: Device) throws(OptimizerError) -> Pager {
        let free = device.freeByteCount ?? SystemMemory.availableByteCount ?? 1 << 30
        // What the passes before took at most will be taken again, beside moments that stay in.
        let taken = device.memory.peak.total - device.memory.live.total
        let limit = paging.residentByteCount ?? max(0, free - taken) / 2
        do throws(FileError) {
            if let pager = try Pager(on: device, folder: paging.folder ?? FileSystem.temporaryFolder, residentByteCount: limit) { return pager }
        } catch { throw .file(error) }
        throw .unsupported("\(device.name) has no paged memory; keep moments unpaged there")
    }
}

/// Where the moments of one parameter are made: in the device's own memory, or paged.
struct MomentMemory {
    let device: Device
    let pager: Pager?
    /// What is paged in and out together.
    let pages = Pager.Group()

    /// Room for `count` elements; zeroed where it is paged.
    func allocate(_ dtype: DType, count: Int) throws(OptimizerError) -> Slice {
        guard let pager else { return device.allocate(dtype, count: count) }
        do { return try pager.allocate(dtype, count: count, in: pages) } catch { throw .file(error) }
    }
}
