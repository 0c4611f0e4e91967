/// Betas are rounded to float32 before anything is computed from them, so that shares and bias corrections belong to the beta that is used.
struct Beta {
    let kept: Float

    init(_ beta: Double) { kept = Float(beta) }

    /// The share of what is new.
    var gain: Float { 1 - kept }

    /// `1 - beta^step`, in double precision.
    func gathered(_ step: Int) -> Double { 1 - power(Double(kept), step) }
}

/// `base` to the power `exponent`, by squaring: the same on every machine.
func power(_ base: Double, _ exponent: Int) -> Double {
    var (result, square, rest) = (1.0, base, exponent)
    while rest > 0 {
        if rest % 2 == 1 { result *= square }
        square *= square
        rest /= 2
    }
    return result
}
