package import BitsKernels

/// A multi-dimensional array on a device, with value semantics.
///
/// Elements lie row-major; reshaping, transposing and slicing give views that share memory. A tensor never changes after it is made, so sharing is
/// invisible. Computations run at once, or in order on the device's queue; results are waited for when they are read (``floats()``, ``item()``).
///
/// A tensor made from a trainable ``Parameter`` remembers how (unless inside ``noGradient(_:)``), and ``backward(retainingGraph:)`` computes the parameters' gradients.
public struct Tensor: Sendable {
    /// Dimensions, outermost first; empty for a scalar.
    public let shape: [Int]
    /// ``slice``; nil where it is only computed when somebody asks for it.
    private var here: Slice?
    private let late: LateElements?
    /// Elements from one index to the next, per axis.
    package let strides: [Int]
    /// How it was computed; nil where no gradient is wanted.
    package let node: TapeNode?

    package init(_ slice: Slice, shape: [Int], strides: [Int], node: TapeNode? = nil) {
        (here, late) = (slice, nil)
        self.shape = shape
        self.strides = strides
        self.node = node
    }

    /// A contiguous tensor over elements that are computed when somebody asks for them.
    init(_ late: LateElements, shape: [Int]) {
        (here, self.late, self.shape, strides, node) = (nil, late, shape, rowMajorStrides(shape), nil)
    }

    /// `other` as the result of `node`.
    private init(_ other: Tensor, node: TapeNode?) {
        (here, late, shape, strides, self.node) = (other.here, other.late, other.shape, other.strides, node)
    }

    /// A contiguous tensor over `slice`.
    package init(_ slice: Slice, shape: [Int], node: TapeNode? = nil) {
        precondition(slice.count == Shape.count(shape), "\(slice.count) elements do not make shape \(shape)")
        self.init(slice, shape: shape, strides: rowMajorStrides(shape), node: node)
    }

    /// The window of memory that starts at the first element and covers every element.
    package var slice: Slice {
        if let here { return here }
        guard let late else { preconditionFailure("a tensor without elements") }
        return late.slice
    }

    public var dtype: DType { late?.dtype ?? slice.dtype }
    public var device: Device { late?.device ?? slice.device }
    /// Whether the device had the memory; where it had not, the next wait says so.
    package var hasMemory: Bool { slice.hasMemory }
    /// The number of elements.
    public var count: Int { Shape.count(shape) }
    public var rank: Int { shape.count }

    /// Whether ``backward(retainingGraph:)`` from here would reach a trainable parameter.
    public var carriesGradient: Bool { node != nil }

    /// The same values, with no memory of how they were computed.
    public func detached() -> Tensor { Tensor(self, node: nil) }

    /// The same values, computed as `node` says.
    func with(_ node: TapeNode?) -> Tensor { Tensor(self, node: node) }

    /// Whether the elements lie row-major without gaps.
    package var isContiguous: Bool {
        var expected = 1
        for axis in stride(from: rank - 1, through: 0, by: -1) where shape[axis] != 1 {
            if strides[axis] != expected { return false }
            expected *= shape[axis]
        }
        return true
    }

    package var strided: StridedSlice { StridedSlice(slice, shape: shape, strides: strides) }

    /// The elements as one run of memory; copies only when they are not.
    package var elements: Slice { isContiguous ? slice[0..<count] : contiguous().slice }

    /// Whether these are `elements`, in a row and with no other reference to their memory.
    mutating func owns(_ elements: Slice) -> Bool { slice.isSame(as: elements) && isContiguous && here?.isOnlyReference() == true }

    /// A fresh contiguous tensor without contents, on this tensor's device.
    package func empty(_ shape: [Int], _ dtype: DType? = nil) -> Tensor {
        Tensor(device.allocate(dtype ?? self.dtype, count: Shape.count(shape)), shape: shape)
    }
}

extension Tensor: CustomStringConvertible {
    public var description: String { "Tensor(\(shape), \(dtype.rawValue), \(device.name))" }
}
