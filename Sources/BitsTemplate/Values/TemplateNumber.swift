internal import BitsSystem

/// An integer or a float.
enum TemplateNumber {
    case integer(Int)
    case float(Double)

    var double: Double {
        switch self {
        case .integer(let value): Double(value)
        case .float(let value): value
        }
    }
}

/// Python's arithmetic, in 64 bits.
extension TemplateNumber {
    /// - Parameter symbol: one of `+ - * / // % **`.
    static func result(_ symbol: String, _ a: TemplateNumber, _ b: TemplateNumber) throws(TemplateError) -> TemplateValue {
        if ["/", "//", "%"].contains(symbol) && b.double == 0 { throw TemplateError(.failed, "a number is divided by zero") }
        switch (a, b) {
        case (.integer(let x), .integer(let y)):
            if symbol == "/" { return .float(Double(x) / Double(y)) }
            if symbol == "**" && y < 0 { return .float(pow(Double(x), Double(y))) }
            guard let value = integer(symbol, x, y) else { throw TemplateError(.unsupported, "\(x) \(symbol) \(y) has more than 64 bits") }
            return .integer(value)
        default: return .float(float(symbol, a.double, b.double))
        }
    }

    private static func integer(_ symbol: String, _ x: Int, _ y: Int) -> Int? {
        func checked(_ result: (partialValue: Int, overflow: Bool)) -> Int? { result.overflow ? nil : result.partialValue }
        switch symbol {
        case "+": return checked(x.addingReportingOverflow(y))
        case "-": return checked(x.subtractingReportingOverflow(y))
        case "*": return checked(x.multipliedReportingOverflow(by: y))
        case "//": return checked(x.dividedReportingOverflow(by: y)).map { x % y != 0 && (x < 0) != (y < 0) ? $0 - 1 : $0 }
        case "%":
            let rest = y == -1 ? 0 : x % y
            return rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest
        default:
            // Above 1 in magnitude, 64 factors are too many.
            if x.magnitude <= 1 { return x == -1 && y % 2 == 0 ? 1 : y == 0 ? 1 : x }
            var product: Int? = 1
            for _ in 0..<min(y, 64) { product = product.flatMap { checked($0.multipliedReportingOverflow(by: x)) } }
            return product
        }
    }

    private static func float(_ symbol: String, _ x: Double, _ y: Double) -> Double {
        switch symbol {
        case "+": x + y
        case "-": x - y
        case "*": x * y
        case "/": x / y
        case "//": (x / y).rounded(.down)
        case "%": x - y * (x / y).rounded(.down)
        default: pow(x, y)
        }
    }
}

extension Double {
    /// The shortest digits that read back as the same value, as Python prints them: `6.0`, `1e-05`, `1e+16`.
    ///
    /// - Parameters:
    ///   - notANumber, infinity: how these are written, which differs between Python's `str` and its JSON.
    package func pythonText(notANumber: String = "nan", infinity: String = "inf") -> String {
        if isNaN { return notANumber }
        if isInfinite { return self < 0 ? "-\(infinity)" : infinity }
        // Swift's digits are the shortest too; where the exponent form begins differs.
        let parts = magnitude.description.split(separator: "e")
        let fixed = parts[0].split(separator: ".")
        var exponent = (parts.count > 1 ? Int(parts[1]) ?? 0 : 0) + fixed[0].count
        var digits = Array((fixed[0] + (fixed.count > 1 ? fixed[1] : "")).utf8)
        while digits.count > 1 && digits[0] == UInt8(ascii: "0") {
            digits.removeFirst()
            exponent -= 1
        }
        while digits.count > 1 && digits[digits.count - 1] == UInt8(ascii: "0") { digits.removeLast() }
        let sign = sign == .minus ? "-" : ""
        let text = String(decoding: digits, as: UTF8.self)
        if self == 0 { return sign + "0.0" }
        // The value is 0.digits times ten to the exponent.
        switch exponent {
        case 17..., ...(-4):
            let power = exponent - 1
            let mantissa = digits.count == 1 ? text : "\(text.prefix(1)).\(text.dropFirst())"
            return "\(sign)\(mantissa)e\(power < 0 ? "-" : "+")\(abs(power) < 10 ? "0" : "")\(abs(power))"
        case ...0: return "\(sign)0.\(String(repeating: "0", count: -exponent))\(text)"
        case digits.count...: return "\(sign)\(text)\(String(repeating: "0", count: exponent - digits.count)).0"
        default: return "\(sign)\(text.prefix(exponent)).\(text.dropFirst(exponent))"
        }
    }

    var pythonText: String { pythonText() }
}
