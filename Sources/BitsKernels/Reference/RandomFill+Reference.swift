extension RandomFill {
    package func reference(_ memory: some ReferenceMemory) {
        let values = stride(from: 0, to: output.count, by: 4).flatMap { distribution.values(of: stream.block($0 / 4)) }
        memory.store(Array(values.prefix(output.count)), to: output)
    }
}

extension Dropout {
    package func reference(_ memory: some ReferenceMemory) {
        let values = memory.floats(input).enumerated().map { i, x in x * (stream.block(i / 4)[i % 4] < threshold ? 0 : gain) }
        memory.store(values, to: output)
    }
}

extension RandomFill.Distribution {
    /// The four numbers that a block's words make.
    package func values(of words: SIMD4<UInt32>) -> [Float] {
        switch self {
        case .uniform(let low, let high):
            return (0..<4).map { low + (high - low) * (Float(words[$0] >> 8) * 0x1p-24) }
        case .normal(let mean, let deviation):
            return [(words[0], words[1]), (words[2], words[3])].flatMap { a, b in
                let (cosine, sine) = cosineAndSine(ofTurns: b)
                let radius = (-2 * logarithm(Float(0x1p-32).addingProduct(Float(a >> 1), 0x1p-31))).squareRoot()
                return [mean.addingProduct(deviation, radius * cosine), mean.addingProduct(deviation, radius * sine)]
            }
        }
    }
}

/// `ln x` for a normal number x: that of its exponent, and a polynomial of the rest from sqrt(1/2) to sqrt(2) less one.
private func logarithm(_ x: Float) -> Float {
    let bits = Int32(bitPattern: x.bitPattern) - 0x3f35_04f3
    let exponent = Float(bits >> 23)
    let f = Float(bitPattern: UInt32(bitPattern: (bits & 0x7f_ffff) + 0x3f35_04f3)) - 1
    let square = f * f
    let p = polynomial(
        f,
        [
            6.746640801e-2, -1.167565212e-1, 1.188816205e-1, -1.240558922e-1, 1.421955228e-1, -1.666799635e-1, 2.000211924e-1, -2.500000894e-1,
            3.333331347e-1,
        ])
    // ln 2 in two parts, of which the first is exact for every exponent.
    let tail = (exponent * -2.12194440e-4).addingProduct(p, square * f).addingProduct(square, -0.5)
    return (f + tail).addingProduct(exponent, 0.693359375)
}

/// Cosine and sine of `turns / 2^32` turns: polynomials of the angle to the nearest quarter turn.
private func cosineAndSine(ofTurns turns: UInt32) -> (Float, Float) {
    let quarter = (turns &+ 1 << 29) >> 30
    let y = Float(Int32(bitPattern: turns &- quarter << 30)) * 0x1.921fb6p-30
    let square = y * y
    let sine = y.addingProduct(polynomial(square, [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1]) * square, y)
    let cosine = Float(1).addingProduct(square, -0.5)
        .addingProduct(polynomial(square, [2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2]), square * square)
    switch quarter {
    case 0: return (cosine, sine)
    case 1: return (-sine, cosine)
    case 2: return (-cosine, -sine)
    default: return (sine, -cosine)
    }
}

/// Highest power first.
private func polynomial(_ x: Float, _ coefficients: [Float]) -> Float {
    coefficients.dropFirst().reduce(coefficients[0]) { $1.addingProduct($0, x) }
}
