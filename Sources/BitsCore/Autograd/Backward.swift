import BitsKernels

extension Tensor {
    /// Computes the gradients of this tensor's sum with respect to every trainable parameter that it was computed from, and adds them to
    /// ``Parameter/gradient``.
    ///
    /// The memory that was kept for the way back goes with the tensors that hold it. Usually called on a scalar loss.
    public func backward() { backward(from: Tensor.full(1, shape: shape, dtype: dtype, device: device)) }

    /// As ``backward()``, starting from `gradient`, the gradient of some scalar with respect to this tensor; same shape.
    public func backward(from gradient: Tensor) {
        precondition(gradient.shape == shape, "a gradient of shape \(gradient.shape) for a tensor of shape \(shape)")
        guard let node else { return }
        noGradient {
            var pending = PendingGradients()
            pending.add(gradient, to: node)
            while let (node, gradient) = pending.popLatest() {
                if let slot = node.slot {
                    slot.add(gradient)
                    continue
                }
                guard let backward = node.backward else { continue }
                for (input, gradient) in zip(node.inputs, backward(gradient)) {
                    if let input, let gradient { pending.add(gradient, to: input) }
                }
            }
        }
    }
}

/// Gradients that wait for all their contributions: the node with the largest sequence number has them, as operations come after their inputs.
private struct PendingGradients {
    private struct Entry {
        var node: TapeNode
        var gradient: Tensor
        /// Whether the gradient's memory is ours alone, so that the next contribution can be added in place.
        var isOwned: Bool
    }

    private var entries: [ObjectIdentifier: Entry] = [:]
    /// A binary heap of nodes, largest sequence first.
    private var heap: [TapeNode] = []

    mutating func add(_ gradient: Tensor, to node: TapeNode) {
        let gradient = gradient.contiguous()
        guard var entry = entries[ObjectIdentifier(node)] else {
            entries[ObjectIdentifier(node)] = Entry(node: node, gradient: gradient, isOwned: false)
            push(node)
            return
        }
        let sum = entry.isOwned ? entry.gradient : gradient.empty(entry.gradient.shape, entry.gradient.dtype)
        gradient.device.run(BinaryElementwise(.add, entry.gradient.strided, gradient.strided, into: sum.slice))
        entry.gradient = sum
        entry.isOwned = true
        entries[ObjectIdentifier(node)] = entry
    }

    mutating func popLatest() -> (TapeNode, Tensor)? {
        guard let node = heap.first, let entry = entries.removeValue(forKey: ObjectIdentifier(node)) else { return nil }
        removeFirst()
        return (node, entry.gradient)
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
