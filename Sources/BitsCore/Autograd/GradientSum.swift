import BitsKernels

/// The gradients of one value, added up: those in 16 bits in float32, with one rounding when the sum is asked for.
struct GradientSum: Sendable {
    private let shape: [Int]
    private let dtype: DType
    /// What is to be added up, in order; the first may be the float32 sum of some.
    private var terms: [Tensor]

    init(_ gradient: Tensor) { (shape, dtype, terms) = (gradient.shape, gradient.dtype, [gradient.detached()]) }

    /// The sum, in the type of the first contribution.
    var value: Tensor { terms.count == 1 ? terms[0].cast(to: dtype) : sum(in: dtype) }

    /// Whether ``value`` lies where `elements` do.
    func value(is elements: Slice) -> Bool {
        terms.count == 1 && dtype == elements.dtype && terms[0].isContiguous && terms[0].slice.isSame(as: elements)
    }

    /// Says that the sum has arrived at a parameter, and stays.
    mutating func countAsGradient() {
        fold()
        terms[0].slice.buffer.count(as: .gradients)
    }

    /// Adds a sum that has come together elsewhere. What waits for that is not held beside it.
    mutating func add(_ other: GradientSum) {
        var other = other
        other.fold()
        add(other.terms[0])
        fold()
    }

    mutating func add(_ gradient: Tensor) {
        precondition(gradient.shape == shape, "gradients of shapes \(shape) and \(gradient.shape) for one value")
        terms.append(gradient.detached())
        // Several of 16 bits are read at once. A sum in float32 grows where it is.
        if terms[0].dtype == .float32 || terms.count == SumOfTerms.mostTerms { fold() }
    }

    /// Makes the sum so far one term.
    private mutating func fold() {
        guard terms.count > 1 else { return }
        var first = terms[0].elements
        let others = terms.dropFirst().map(\.elements)
        terms.removeFirst()
        // In place where nobody else sees it: a gradient that was read keeps what it has.
        let target = first.dtype == .float32 && first.isOnlyReference() ? first : first.device.allocate(.float32, count: first.count)
        target.device.run(SumOfTerms([first] + others, into: target))
        terms = [Tensor(target, shape: shape)]
    }

    private func sum(in dtype: DType) -> Tensor {
        let result = terms[0].empty(shape, dtype)
        result.device.run(SumOfTerms(terms.map(\.elements), into: result.slice))
        return result
    }
}
