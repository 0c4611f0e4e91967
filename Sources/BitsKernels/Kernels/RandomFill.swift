/// Random numbers of a distribution: element i is made of word i of ``stream``, element pairs of normal numbers of their two words.
///
/// ```
/// uniform:  fl(low + fl(fl(high - low) * u))                    u = (word >> 8) * 2^-24
/// normal:   fma(deviation, r cos t, mean), fma(deviation, r sin t, mean)     of words a, b; elements 2k and 2k + 1
///           r = sqrt(-2 ln u), u = fma(float(a >> 1), 2^-31, 2^-32)          from 2^-32 to 1, so r is at most 6.66
///           t = 2 pi b / 2^32                                                (Box and Muller 1958)
/// ```
/// Logarithm, sine and cosine are those of the reference, polynomials in `fma` whose error is below 2e-6 in the result: they are part of the rule, so that
/// normal numbers have the same bits everywhere too. Each number is rounded once more to the type of `output`.
package struct RandomFill: Kernel {
    package static let name = "random_fill"

    package enum Distribution: Sendable, Equatable {
        case uniform(low: Float, high: Float)
        case normal(mean: Float, deviation: Float)
    }

    package var distribution: Distribution
    package var stream: RandomStream
    /// float32, float16 or bfloat16
    package var output: Slice

    package init(_ distribution: Distribution, from stream: RandomStream, into output: Slice) {
        precondition(output.dtype.isFloatingPoint, "random numbers in \(output.dtype.rawValue)")
        (self.distribution, self.stream, self.output) = (distribution, stream, output)
    }

    package static let operandList: OperandList<Self> = [.writes("output", \.output)]
}
