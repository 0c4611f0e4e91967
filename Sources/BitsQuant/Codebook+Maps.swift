// The constructions follow the reference operation by operation, because files and statistics made with one have to be read with the other: every
// step is rounded to float32 where the reference rounds it.

extension Codebook {
    /// The dynamic map of any width.
    ///
    /// Numbers have a sign (if any), a decimal exponent written in unary, and a linear fraction in what bits are left. Narrower maps than 8 bits are
    /// filled up with zeros.
    ///
    /// - Parameters:
    ///   - maximumExponentBits: 1 ... totalBits - 1; exactly totalBits - 1 without a sign.
    ///   - totalBits: 2 ... 8.
    /// - Throws: ``QuantizationError/invalidCodebook(_:)`` when the widths do not give a whole map.
    ///
    /// Reference: `create_dynamic_map`.
    public static func dynamic(
        signed: Bool = true, maximumExponentBits: Int = 7, totalBits: Int = 8
    ) throws(QuantizationError) -> Codebook {
        guard (2...8).contains(totalBits) else { throw .invalidCodebook("a dynamic map of \(totalBits) bits; use 2 to 8") }
        guard maximumExponentBits == totalBits - 1 || (signed && (1..<totalBits).contains(maximumExponentBits)) else {
            let allowed = signed ? "1 to \(totalBits - 1)" : "\(totalBits - 1)"
            throw .invalidCodebook("\(maximumExponentBits) exponent bits in a dynamic map of \(totalBits) bits; use \(allowed)")
        }
        return Codebook(unchecked: dynamicValues(signed: signed, exponentBits: maximumExponentBits, bits: totalBits))
    }

    static func dynamicValues(signed: Bool, exponentBits: Int, bits: Int) -> [Float] {
        let powers: [Float] = [1, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6]
        let fractionBits = bits - 1
        var values: [Float] = [0, 1]
        func addDecade(boundaries count: Int, power: Float) {
            let boundaries = linearlySpaced(from: 0.1, to: 1, count: count)
            for (low, high) in zip(boundaries, boundaries.dropFirst()) {
                let value = (low + high) / 2 * power
                values.append(value)
                if signed { values.append(-value) }
            }
        }
        for i in 0..<exponentBits {
            let width = i + fractionBits - exponentBits + (signed ? 0 : 1)
            addDecade(boundaries: (1 << width) + 1, power: powers[exponentBits - 1 - i])
        }
        let rest = (1 << (fractionBits - exponentBits)) - 1
        if rest > 0 { addDecade(boundaries: rest + 1, power: 1) }
        return padded(values)
    }

    /// Equal steps from -1 (or 0) to 1.
    ///
    /// - Parameters:
    ///   - totalBits: 1 ... 8; what is left of 256 values is filled up with zeros in the middle.
    ///   - addZero: leaves one signed value out so that the steps are symmetric around zero. The value in the middle of 8 bits is then the rounding
    ///     error 3.7e-9, beside an exact zero.
    /// - Throws: ``QuantizationError/invalidCodebook(_:)``.
    ///
    /// Reference: `create_linear_map`.
    public static func linear(signed: Bool = true, totalBits: Int = 8, addZero: Bool = true) throws(QuantizationError) -> Codebook {
        guard (signed ? 2...8 : 1...8).contains(totalBits) else { throw .invalidCodebook("a linear map of \(totalBits) bits; use up to 8") }
        let count = (1 << totalBits) - (signed && (addZero || totalBits < 8) ? 1 : 0)
        let values = linearlySpaced(from: signed ? -1 : 0, to: 1, count: count)
        let zeros = [Float](repeating: 0, count: 256 - count)
        return Codebook(unchecked: values.prefix(count / 2) + zeros + values.dropFirst(count / 2))
    }

    /// Floating-point numbers of few bits, divided by the largest.
    ///
    /// - Parameters:
    ///   - exponentBits, precisionBits: with the sign they make up `totalBits`, at most 8.
    /// - Throws: ``QuantizationError/invalidCodebook(_:)``.
    ///
    /// Reference: `create_fp8_map`.
    public static func floatingPoint(
        signed: Bool = true, exponentBits: Int = 5, precisionBits: Int = 2, totalBits: Int = 8
    ) throws(QuantizationError) -> Codebook {
        guard (1...8).contains(totalBits), exponentBits >= 1, precisionBits >= 0, exponentBits + precisionBits == totalBits - (signed ? 1 : 0) else {
            throw .invalidCodebook(
                "\(signed ? "a sign, " : "")\(exponentBits) exponent and \(precisionBits) precision bits do not make \(totalBits) bits, of which there are up to 8"
            )
        }
        let bias = 1 << (exponentBits - 1)
        var values: [Double] = []
        for field in 0..<(1 << exponentBits) {
            for fraction in 0..<(1 << precisionBits) {
                let mantissa = Double(fraction) / Double(1 << precisionBits)
                let value =
                    field == 0
                    ? Double(sign: .plus, exponent: -bias, significand: mantissa)
                    : Double(sign: .plus, exponent: bias + 1 - field, significand: 1 + mantissa)
                values.append(value)
                if signed { values.append(-value) }
            }
        }
        let floats = padded(values.map { Float($0) })
        let largest = floats[255]
        return try Codebook(floats.map { $0 / largest })
    }

    /// `values` with zeros to make 256, in order.
    static func padded(_ values: [Float]) -> [Float] {
        (values + [Float](repeating: 0, count: 256 - values.count)).sorted()
    }

    /// `count` values from `start` to `end`, computed from the nearer end with one rounding each.
    static func linearlySpaced(from start: Float, to end: Float, count: Int) -> [Float] {
        if count == 1 { return [start] }
        let step = (end - start) / Float(count - 1)
        return (0..<count).map { i in
            i < count / 2 ? start.addingProduct(step, Float(i)) : end.addingProduct(-step, Float(count - 1 - i))
        }
    }
}
