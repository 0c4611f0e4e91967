package import BitsKernels

/// Numbers that break careless arithmetic.
public enum HostileFloats {
    /// Both zeros, the smallest and largest of every kind, infinities, NaNs of both signs and kinds.
    public static let special: [Float] = [
        0, -0.0, .leastNonzeroMagnitude, -.leastNonzeroMagnitude, .leastNormalMagnitude, -.leastNormalMagnitude, .leastNormalMagnitude.nextDown,
        0x1p-128, 0x1p-127, -0x1.8p-129, .greatestFiniteMagnitude, -.greatestFiniteMagnitude, .infinity, -.infinity, .nan, -.nan,
        Float(bitPattern: 0x7f80_0001), Float(bitPattern: 0xffff_ffff), 1, -1, 65504, 65520, -65536, 0x1p-24, 0x1p-25, 0x1.8p-25, 0x1p-14, 0x1p-133,
        0x1p-134,
    ]

    /// `count` numbers with patterns drawn from all of float32, mixed with ordinary ones and special ones.
    ///
    /// - Parameter seed: the same seed gives the same numbers.
    public static func mixture(count: Int, seed: UInt64) -> [Float] {
        var random = SplitMix(state: seed)
        return (0..<count).map { _ in
            switch random.next() % 8 {
            case 0: special[Int(random.next() % UInt64(special.count))]
            case 1: Float(bitPattern: UInt32(truncatingIfNeeded: random.next()))
            default: random.normal()
            }
        }
    }

    /// `count` ordinary numbers, roughly normal.
    public static func ordinary(count: Int, seed: UInt64) -> [Float] {
        var random = SplitMix(state: seed)
        return (0..<count).map { _ in random.normal() }
    }
}

/// A small generator for test data (Steele, Lea and Flood 2014).
public struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    public init(state: UInt64) { self.state = state }

    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    public mutating func uniform() -> Float { Float(next() >> 40) * 0x1p-24 }

    /// Roughly normal with standard deviation 1: the sum of twelve uniform draws less six.
    public mutating func normal() -> Float { (0..<12).reduce(-6) { sum, _ in sum + uniform() } }
}

extension Device {
    /// A slice of `values`, each rounded to `dtype`.
    package func slice(_ values: [Float], as dtype: DType = .float32) -> Slice {
        let slice = allocate(dtype, count: values.count)
        DeviceMemory().store(values, to: slice)
        return slice
    }
}
