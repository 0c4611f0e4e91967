/// Entries that launches of a kernel read, on the host and on the device, where they stay for later launches.
struct CUDATable<Entry: BitwiseCopyable & Sendable>: Sendable {
    var entries: [Entry] = []
    private var uploaded: Slice?

    /// The entries on the device, as they were last brought there.
    var slice: Slice {
        guard let uploaded else { preconditionFailure("a table that is not on the device") }
        return uploaded
    }

    /// Brings the entries to the device of `queue`, in the place of those before where these were as many.
    mutating func upload(on queue: CUDAQueue) {
        if let uploaded, uploaded.device == queue.backend.device, uploaded.byteCount == entries.count * MemoryLayout<Entry>.stride {
            queue.upload(entries, to: uploaded)
        } else {
            uploaded = queue.upload(entries)
        }
    }

    /// Takes `others` for entries, and brings them to the device of `queue` where they are not there.
    mutating func change(to others: [Entry], on queue: CUDAQueue) where Entry: Equatable {
        if entries == others, uploaded?.device == queue.backend.device { return }
        entries = others
        upload(on: queue)
    }
}
