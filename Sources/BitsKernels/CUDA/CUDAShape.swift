/// A shape over which kernels walk several arrays at once, each with its own strides: without axes of one element, and with neighbours joined that
/// lie one after the other in every array.
struct CUDAShape {
    private(set) var sizes: [Int] = []
    /// Of each array, for each axis.
    private(set) var strides: [[Int]]

    init(_ shape: [Int], _ strides: [[Int]]) {
        self.strides = [[Int]](repeating: [], count: strides.count)
        for (axis, size) in shape.enumerated() where size != 1 {
            let here = strides.map { $0[axis] }
            let joins = !sizes.isEmpty && zip(self.strides, here).allSatisfy { $0.last! == $1 * size }
            if !joins { sizes.append(1) }
            sizes[sizes.count - 1] *= size
            for (array, stride) in here.enumerated() {
                if joins { self.strides[array].removeLast() }
                self.strides[array].append(stride)
            }
        }
    }

    var rank: Int { sizes.count }
    var count: Int { sizes.reduce(1, *) }

    /// Strides of `array` along the last axis; 1 where there is none.
    func innerStride(_ array: Int) -> Int { strides[array].last ?? 1 }

    /// Moves `axis` to stand before the last.
    mutating func moveBeforeLast(_ axis: Int) {
        let place = rank - 2
        sizes.insert(sizes.remove(at: axis), at: place)
        for array in strides.indices { strides[array].insert(strides[array].remove(at: axis), at: place) }
    }

    /// Whether the last axis lies together in every array and all else is a multiple of `count` elements, so that they can be taken together.
    func divides(by count: Int) -> Bool {
        strides.allSatisfy { $0.last == 1 && $0.dropLast().allSatisfy { $0 % count == 0 } } && sizes.last! % count == 0
    }

    /// The same in units of `count` elements, which it has to divide by.
    func divided(by count: Int) -> CUDAShape {
        var result = self
        result.sizes[rank - 1] /= count
        result.strides = strides.map { $0.dropLast().map { $0 / count } + [1] }
        return result
    }

    var sizeArgument: CUDAAxes { CUDAAxes(sizes, missing: 1) }

    func strideArgument(_ array: Int) -> CUDAAxes { CUDAAxes(strides[array], missing: 0) }
}

/// `Axes` of the kernels: a number for each axis, where there are fewer the first ones being of one element.
struct CUDAAxes: CUDAArgument {
    static let rank = 6
    private let values: [Int]

    init(_ values: [Int], missing: Int) {
        precondition(values.count <= CUDAAxes.rank, "\(values.count) axes, at most \(CUDAAxes.rank)")
        self.values = [Int](repeating: missing, count: CUDAAxes.rank - values.count) + values
    }

    func append(to arguments: inout CUDAArguments) {
        for value in values { arguments.append(value) }
    }
}
