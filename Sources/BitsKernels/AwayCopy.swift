/// What a slice held, where it takes none of the device's memory. Copies go on beside the work, and each function is work in the order of the device's queue.
package protocol AwayCopy: AnyObject, Sendable {
    /// Lets go of the slice that was copied: what is submitted from now on may write to its memory.
    func letGo()
    /// Starts to bring the contents back.
    func prefetch()
    /// The contents in memory of the device, for the work that is submitted from now on.
    func bringBack() -> Slice
}

extension Device {
    /// Starts to copy `slice` to where it takes none of the device's memory, behind the work that was submitted before; nil where the device knows no such
    /// place. The slice is held until ``AwayCopy/letGo()``.
    package func putAway(_ slice: Slice) -> (any AwayCopy)? { backend.putAway(slice) }
}
