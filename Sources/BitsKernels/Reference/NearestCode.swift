/// The search in a sorted codebook: the specification of ``QuantizeBlockwise`` and of optimizer statistics in 8 bits.
package struct NearestCode: Sendable {
    /// `fl(0.5 * fl(c[j] + c[j + 1]))`
    package let midpoints: [Float]

    package init(codebook: [Float]) {
        midpoints = zip(codebook, codebook.dropFirst()).map { ($0 + $1) * 0.5 }
    }

    /// The index of the entry nearest to `value`; of two equally near, the even one. NaN gives 0.
    package func callAsFunction(_ value: Float) -> Int {
        if value.isNaN { return 0 }
        var index = midpoints.partitioningIndex { $0 >= value }
        if index < midpoints.count, midpoints[index] == value, index % 2 == 1 { index += 1 }
        return index
    }
}

extension [Float] {
    /// The first index whose element has `property`, in an array where no element without it follows one with it.
    fileprivate func partitioningIndex(where property: (Float) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if property(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// The largest magnitude, NaN left out; 0 when nothing is left.
    package var largestMagnitude: Float {
        reduce(0) { abs($1) > $0 ? abs($1) : $0 }
    }

    /// Consecutive runs of `size` elements, the last one possibly shorter.
    package func blocks(of size: Int) -> [ArraySlice<Float>] {
        stride(from: 0, to: count, by: size).map { self[$0..<Swift.min($0 + size, count)] }
    }
}
