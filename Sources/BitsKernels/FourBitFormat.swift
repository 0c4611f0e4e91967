/// The 4-bit number formats: sixteen values in [-1, 1], to be multiplied by a block's largest magnitude.
public enum FourBitFormat: String, Sendable, CaseIterable, Codable {
    /// NormalFloat: quantiles of the normal distribution. Dettmers et al. 2023, "QLoRA", arXiv:2305.14314.
    case nf4
    /// Floating point with sign, two bits of exponent and one of mantissa.
    case fp4
}

extension FourBitFormat {
    /// What each code stands for.
    ///
    /// Code 8 of fp4 is the negative zero.
    public var values: [Float] {
        switch self {
        case .nf4: FourBitFormat.nf4Values
        case .fp4: FourBitFormat.fp4Values
        }
    }

    /// ``values`` as files store them: the zero of code 8 of fp4 is positive there.
    public var storedValues: [Float] { values.map { $0 == 0 ? 0 : $0 } }

    /// The code for `value`, a number already divided by its block's largest magnitude; NaN gives 0.
    ///
    /// nf4: the nearest value, a tie goes to the lower code. fp4: by magnitude, a tie goes to the smaller one; the sign is that of `value < 0`.
    package func code(for value: Float) -> UInt8 {
        switch self {
        case .nf4:
            let thresholds = zip(values, values.dropFirst()).map { ($0 + $1) * 0.5 }
            return UInt8(thresholds.count { $0 < value })
        case .fp4:
            let magnitude = FourBitFormat.fp4Thresholds.first { abs(value) > $0.threshold }?.code ?? 0
            return magnitude + (value < 0 ? 8 : 0)
        }
    }

    private static let nf4Values: [Float] = [
        -1, -0.696192801, -0.525073051, -0.394917488, -0.284441382, -0.18477343, -0.0910500363, 0,
        0.0795802996, 0.160930201, 0.246112302, 0.337915242, 0.440709829, 0.562617004, 0.722956836, 1,
    ]

    /// Magnitudes 0, 1/192, 8/12, 12/12, 4/12, 6/12, 2/12, 3/12.
    private static let fp4Values: [Float] = {
        let magnitudes: [Float] = [0, 0.00520833349, 0.666666687, 1, 0.333333343, 0.5, 0.166666672, 0.25]
        return magnitudes + magnitudes.map { -$0 }
    }()

    /// Decimal constants of the reference's CUDA kernels; some lie a few units in the last place beside the midpoints.
    private static let fp4Thresholds: [(threshold: Float, code: UInt8)] = [
        (0.8333333, 3), (0.583333, 2), (0.4166667, 5), (0.29166667, 4), (0.20833333, 7), (0.0859375, 6), (0.00260417, 1),
    ]
}
