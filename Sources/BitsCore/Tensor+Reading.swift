package import BitsKernels

extension Tensor {
    /// The elements in row-major order, widened to float32 exactly.
    ///
    /// - Throws: the first error of the work that leads to this tensor.
    public func floats() throws(DeviceError) -> [Float] { try elements.downloadFloats() }

    /// The elements of an integer tensor in row-major order.
    ///
    /// - Throws: the first error of the work that leads to this tensor.
    public func integers() throws(DeviceError) -> [Int] { try elements.downloadIntegers() }

    /// The only element.
    ///
    /// - Throws: the first error of the work that leads to this tensor.
    public func item() throws(DeviceError) -> Float {
        precondition(count == 1, "item() of a tensor of shape \(shape)")
        return try floats()[0]
    }

    /// The elements' bytes, little-endian, as a file holds them.
    ///
    /// - Throws: the first error of the work that leads to this tensor.
    public func bytes() throws(DeviceError) -> [UInt8] { try elements.downloadBytes() }
}
