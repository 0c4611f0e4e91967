package import BitsKernels

/// The elements of a tensor as a gradient will need them: kept, or computed again from what is kept anyway, where that costs little beside what they are
/// for. The bits are the same.
package struct KeptElements: Sendable {
    private enum Source {
        case here(Slice)
        case again(LateElements)
    }

    private let source: Source

    /// - Parameter elements: those of `tensor`, as it gives them.
    package init(of tensor: Tensor, _ elements: @autoclosure () -> Slice) {
        source = if let again = tensor.node?.recomputation { .again(again) } else { .here(elements()) }
    }

    package init(_ elements: Slice) { source = .here(elements) }

    /// Elements that are computed from others that are kept.
    package init(_ late: LateElements) { source = .again(late) }

    /// The elements, row-major without gaps.
    package var slice: Slice {
        switch source {
        case .here(let slice): slice
        case .again(let late): late.slice
        }
    }
}
