import BitsSystem

extension Codebook {
    /// Quantiles of the normal distribution, divided by the largest: NormalFloat.
    ///
    /// The values other than zero are those of ``BitsKernels/FourBitFormat/nf4``; the rest of the 256 are zeros.
    ///
    /// - Parameters:
    ///   - offset: the largest quantile taken, between 0.5 and 1.
    ///   - useExtraValue: eight positive values to seven negative ones, as nf4 has; otherwise seven of each.
    /// - Throws: ``QuantizationError/invalidCodebook(_:)``.
    ///
    /// Dettmers et al. 2023, "QLoRA", arXiv:2305.14314. Reference: `create_normal_map`.
    public static func normal(offset: Float = 0.9677083, useExtraValue: Bool = true) throws(QuantizationError) -> Codebook {
        guard offset > 0.5, offset < 1 else { throw .invalidCodebook("the largest quantile is \(offset); it has to lie between 0.5 and 1") }
        func quantiles(_ count: Int) -> [Float] {
            linearlySpaced(from: offset, to: 0.5, count: count).dropLast().map { Float(normalQuantile(Double($0))) }
        }
        let values = padded(quantiles(useExtraValue ? 9 : 8) + quantiles(8).map { -$0 })
        let largest = values[255]
        return Codebook(unchecked: values.map { $0 / largest })
    }

    /// The x below which a standard normal variable falls with probability `p` in 0.5 ..< 1.
    ///
    /// Newton's method from 0: the distribution function is concave there, so each step stays below the root and comes nearer.
    private static func normalQuantile(_ p: Double) -> Double {
        var x = 0.0
        for _ in 0..<1000 {
            let excess = p - 0.5 * erfc(-x / 2.0.squareRoot())
            let step = excess * (2 * Double.pi).squareRoot() * exp(x * x / 2)
            if !(step > 0) || x + step == x { break }
            x += step
        }
        return x
    }
}
