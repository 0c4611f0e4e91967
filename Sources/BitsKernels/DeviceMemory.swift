/// The memory of whatever device an operand is on, read and written by copies: lets a reference run where its device's own version runs.
package struct DeviceMemory: ReferenceMemory {
    package init() {}

    package func load(_ slice: Slice) -> [UInt8] {
        do { return try slice.downloadBytes() } catch { preconditionFailure("\(error)") }
    }

    package func store(_ bytes: [UInt8], to slice: Slice) {
        precondition(bytes.count == slice.byteCount, "\(bytes.count) bytes for a slice of \(slice.byteCount)")
        if !bytes.isEmpty { unsafe slice.device.backend.upload(bytes.span.bytes, to: slice) }
    }
}
