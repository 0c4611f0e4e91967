/// Arithmetic on shapes; a shape is the list of a tensor's dimensions, outermost first.
package enum Shape {
    /// The number of elements.
    package static func count(_ shape: [Int]) -> Int { shape.reduce(1, *) }

    /// The number of elements of a shape that was read from a file; nil when an extent is negative, or the extents other than zero multiply to more
    /// than fits, so that strides could not be computed even where there are no elements.
    package static func checkedCount(_ shape: [Int]) -> Int? {
        var product = 1
        for extent in shape where extent != 0 {
            let (next, overflow) = product.multipliedReportingOverflow(by: extent)
            if overflow || extent < 0 { return nil }
            product = next
        }
        return shape.contains(0) ? 0 : product
    }

    /// The shape that `a` and `b` broadcast to: aligned at the last dimension, where one of the two is 1 the other counts. nil if they do not fit.
    package static func broadcast(_ a: [Int], _ b: [Int]) -> [Int]? {
        let rank = max(a.count, b.count)
        var result = [Int](repeating: 1, count: rank)
        for axis in 0..<rank {
            let left = axis < rank - a.count ? 1 : a[axis - (rank - a.count)]
            let right = axis < rank - b.count ? 1 : b[axis - (rank - b.count)]
            guard left == right || left == 1 || right == 1 else { return nil }
            result[axis] = left == 1 ? right : left
        }
        return result
    }

    /// `axis` counted from the front; negative axes count from the back.
    package static func axis(_ axis: Int, rank: Int) -> Int {
        let resolved = axis < 0 ? axis + rank : axis
        precondition(resolved >= 0 && resolved < rank, "axis \(axis) of a tensor of rank \(rank)")
        return resolved
    }
}
