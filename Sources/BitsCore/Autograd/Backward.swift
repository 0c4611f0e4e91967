extension Tensor {
    /// Computes the gradients of this tensor's sum with respect to every trainable parameter that it was computed from, and adds them to
    /// ``Parameter/gradient``. Usually called on a scalar loss.
    ///
    /// What was kept for the way back is released as it is used, so memory falls from the first operation on. Gradients in 16 bits add up in float32,
    /// within a pass and over several, and are rounded once.
    ///
    /// - Parameter retainingGraph: keeps it instead, for another pass over the same computation.
    public func backward(retainingGraph: Bool = false) {
        backward(from: Tensor.full(1, shape: shape, dtype: dtype, device: device), retainingGraph: retainingGraph)
    }

    /// As ``backward(retainingGraph:)``, starting from `gradient`, the gradient of some scalar with respect to this tensor; same shape.
    public func backward(from gradient: Tensor, retainingGraph: Bool = false) {
        precondition(gradient.shape == shape, "a gradient of shape \(gradient.shape) for a tensor of shape \(shape)")
        guard let node else { return }
        noGradient {
            walkBack(from: node, gradient, retainingGraph: retainingGraph, until: { $0.slot != nil }) { $0.slot?.add($1) }
        }
    }
}

/// Takes `gradient`, that of the result of `node`, from node to node, the latest first, and gives the sums for those that are an end to `arrive`.
func walkBack(
    from node: TapeNode, _ gradient: Tensor, retainingGraph: Bool = false, until isEnd: (TapeNode) -> Bool, arrive: (TapeNode, GradientSum) -> Void
) {
    var pending = PendingGradients()
    pending.add(gradient, to: node)
    while let (node, gradient) = pending.popLatest() {
        if isEnd(node) {
            arrive(node, gradient)
        } else {
            for (input, gradient) in node.wayBack(keeping: retainingGraph)(gradient.value) { pending.add(gradient, to: input) }
        }
    }
}

/// Gradients that wait for all their contributions: the node with the largest sequence number has them, as operations come after their inputs.
private struct PendingGradients {
    private var sums: [ObjectIdentifier: GradientSum] = [:]
    /// A binary heap of nodes, largest sequence first.
    private var heap: [TapeNode] = []

    mutating func add(_ gradient: Tensor, to node: TapeNode) {
        if sums[ObjectIdentifier(node)] == nil {
            sums[ObjectIdentifier(node)] = GradientSum(gradient.contiguous())
            push(node)
        } else {
            sums[ObjectIdentifier(node)]?.add(gradient)
        }
    }

    mutating func popLatest() -> (TapeNode, GradientSum)? {
        guard let node = heap.first, let sum = sums.removeValue(forKey: ObjectIdentifier(node)) else { return nil }
        removeFirst()
        return (node, sum)
    }

    private mutating func push(_ node: TapeNode) {
        heap.append(node)
        var child = heap.count - 1
        while child > 0, heap[(child - 1) / 2].sequence < heap[child].sequence {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    private mutating func removeFirst() {
        heap[0] = heap[heap.count - 1]
        heap.removeLast()
        var parent = 0
        while true {
            var largest = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child].sequence > heap[largest].sequence {
                largest = child
            }
            if largest == parent { return }
            heap.swapAt(parent, largest)
            parent = largest
        }
    }
}
