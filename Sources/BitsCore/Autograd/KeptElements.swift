package import BitsKernels
internal import Synchronization

/// The elements of a tensor as a gradient will need them: kept, or computed again from what is kept anyway, where that costs little beside what they are
/// for. The bits are the same.
package struct KeptElements: Sendable {
    private enum Source {
        case here(Slice)
        case again(Recomputation)
    }

    private let source: Source

    /// - Parameter elements: those of `tensor`, as it gives them.
    package init(of tensor: Tensor, _ elements: Slice) {
        source = if let again = tensor.node?.recomputation { .again(again) } else { .here(elements) }
    }

    /// The elements, row-major without gaps.
    package var slice: Slice {
        switch source {
        case .here(let slice): slice
        case .again(let recomputation): recomputation.result
        }
    }
}

/// How an operation's result is computed again: once for all who kept it, and gone with the last of them.
final class Recomputation: Sendable {
    private let compute: @Sendable () -> Slice
    private let computed = Mutex<Slice?>(nil)

    init(_ compute: @escaping @Sendable () -> Slice) { self.compute = compute }

    var result: Slice {
        computed.withLock { computed in
            let slice = computed ?? compute()
            computed = slice
            return slice
        }
    }
}
