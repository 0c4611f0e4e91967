package import BitsSystem

extension PageFile: DevicePageStore {
    package var faultCount: Int { PageFaults.major }

    package func allocatePaged(byteCount: Int) throws(FileError) -> any DevicePages { try reserve(byteCount: byteCount) }
}

/// The processor's queue is empty whenever it is asked, so all of this happens at once.
extension PagedMemory: DevicePages {
    package func bringIn() { populate() }
    package func startEviction() { startWriting() }
    package func finishEviction() { release() }
}
