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

    /// The contents as they are after all work submitted so far, to be asked for after more has been submitted: reading a loss that way does not keep the
    /// device waiting for the next step.
    ///
    /// Does not wait, and keeps none of the tensor's memory.
    public func readLater() -> LateReading { LateReading(elements) }
}

/// The contents of a tensor at one point of its device's work; see ``Tensor/readLater()``.
///
/// Asking waits for the work up to that point, not for what has been submitted since. May be asked more than once.
public struct LateReading: Sendable {
    /// Whether the contents are known to be there: asking for them waits for nothing, and submitting more before that gains nothing.
    public let isReady: Bool
    private let bytes: LateBytes
    private let dtype: DType
    private let count: Int

    package init(_ slice: Slice) {
        isReady = slice.device.backend.worksAtOnce
        bytes = slice.downloadLater()
        dtype = slice.dtype
        count = slice.count
    }

    /// The elements in row-major order, widened to float32 exactly.
    ///
    /// - Throws: the first error of the work that leads to the tensor.
    public func floats() throws(DeviceError) -> [Float] { dtype.floats(in: try bytes()) }

    /// The elements of an integer tensor in row-major order.
    ///
    /// - Throws: the first error of the work that leads to the tensor.
    public func integers() throws(DeviceError) -> [Int] { dtype.integers(in: try bytes()) }

    /// The only element.
    ///
    /// - Throws: the first error of the work that leads to the tensor.
    public func item() throws(DeviceError) -> Float {
        precondition(count == 1, "item() of \(count) elements")
        return try floats()[0]
    }
}
