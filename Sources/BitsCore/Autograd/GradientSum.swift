import BitsKernels

/// The gradients of one value, added up: those in 16 bits in float32, with one rounding when the sum is asked for.
struct GradientSum: Sendable {
    private let shape: [Int]
    private let dtype: DType
    /// The only contribution as it came, or the float32 sum of several.
    private var sum: Tensor

    init(_ gradient: Tensor) { (shape, dtype, sum) = (gradient.shape, gradient.dtype, gradient.detached()) }

    /// The sum, in the type of the first contribution.
    var value: Tensor { sum.cast(to: dtype) }

    /// Says that the sum has arrived at a parameter, and stays.
    func countAsGradient() { sum.slice.buffer.count(as: .gradients) }

    mutating func add(_ other: GradientSum) { add(other.sum) }

    mutating func add(_ gradient: Tensor) {
        precondition(gradient.shape == shape, "gradients of shapes \(shape) and \(gradient.shape) for one value")
        let (flat, added) = ([gradient.count], gradient.elements)
        var elements = sum.elements
        sum = gradient
        // In place where nobody else sees it: a gradient that was read keeps what it has.
        let target = elements.dtype == .float32 && elements.isOnlyReference() ? elements : elements.device.allocate(.float32, count: elements.count)
        target.device.run(
            BinaryElementwise(.add, StridedSlice(contiguous: elements, shape: flat), StridedSlice(contiguous: added, shape: flat), into: target))
        sum = Tensor(target, shape: shape)
    }
}
