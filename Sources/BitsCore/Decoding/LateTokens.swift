import BitsKernels

/// Tokens drawn on a device, as they were when this was made.
public struct LateTokens: Sendable {
    private let copy: Tensor

    /// - Parameter tokens: int32, of any shape.
    package init(_ tokens: Tensor) {
        copy = tokens.empty(tokens.shape)
        tokens.device.run(StridedCopy(from: tokens.strided, to: copy.strided))
    }

    /// Whether they can be read without waiting.
    public var isReady: Bool { true }

    /// The tokens, waited for if need be.
    ///
    /// - Throws: the first error of the work that leads to them.
    public func integers() throws(DeviceError) -> [Int] { try copy.integers() }
}
