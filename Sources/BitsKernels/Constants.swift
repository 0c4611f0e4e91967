internal import Synchronization

extension Device {
    /// `values` in memory of the device that is only read: the same for all who ask while anybody has it.
    ///
    /// The codes of hundreds of layers are then one table, as which kernels know them without a look.
    package func constant(_ values: [Float]) -> Slice {
        Constant.known.withLock { known in
            let key = Constant.Key(backend: ObjectIdentifier(backend), bits: values.map(\.bitPattern))
            let buffer: Buffer
            if let kept = known[key]?.buffer, kept.device == self {
                buffer = kept
            } else {
                buffer = upload(values, as: .float32).buffer
                known = known.filter { $0.value.buffer != nil }
                if buffer.address != 0 { known[key] = Constant(buffer: buffer) }
            }
            // What others refer to weakly is slow to retain, and kernels retain what they name.
            return Slice(buffer: buffer.shared(), dtype: .float32, count: values.count)
        }
    }
}

/// Memory of a constant, which it does not hold.
private struct Constant: Sendable {
    struct Key: Hashable {
        let backend: ObjectIdentifier
        let bits: [UInt32]
    }

    weak let buffer: Buffer?

    static let known = Mutex<[Key: Constant]>([:])
}
