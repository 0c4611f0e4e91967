package import BitsSystem

/// Memory of a device that need not be in it all the time. It holds the same wherever it is: work on what is away is slow, not wrong.
///
/// Each function is work in the order of the device's queue, and the memory goes, in that order, with the last reference.
package protocol DevicePages: AnyObject, Sendable {
    var address: UInt { get }
    var byteCount: Int { get }
    /// Starts to bring the contents in, beside the work that is submitted.
    func prefetch()
    /// Brings the contents in for the work that is submitted from now on.
    func bringIn()
    /// Starts to put the contents away, behind the work that was submitted before.
    func startEviction()
    /// Gives the memory to others when the contents are away.
    func finishEviction()
}

/// Where a device keeps what is away: on the processor a file.
package protocol DevicePageStore: AnyObject, Sendable {
    /// Bytes of all that it has room for.
    var byteCount: Int { get }
    /// Times so far that work met contents that were away.
    var faultCount: Int { get }
    /// Zeroed memory of at least `byteCount` bytes.
    ///
    /// - Throws: ``FileError`` when there is no room for it.
    func allocatePaged(byteCount: Int) throws(FileError) -> any DevicePages
}
