import BitsSystem

/// The memory of whatever device an operand is on, read and written by copies: lets a reference run where its device's own version runs.
///
/// A reference does not throw: it goes on with zeros when an operand cannot be read, and what it computes from there on is not written.
package final class DeviceMemory: ReferenceMemory {
    /// The first error.
    package private(set) var failure: DeviceError?

    package init() {}

    package func load(_ slice: Slice) -> [UInt8] {
        do { return try slice.downloadBytes() } catch {
            failure = failure ?? error
            return [UInt8](repeating: 0, count: slice.byteCount)
        }
    }

    package func store(_ bytes: [UInt8], to slice: Slice) {
        precondition(bytes.count == slice.byteCount, "\(bytes.count) bytes for a slice of \(slice.byteCount)")
        if failure == nil && !bytes.isEmpty { bytes.withBytes { slice.device.backend.upload($0, to: slice) } }
    }
}
