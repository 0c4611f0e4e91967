import ArgumentParser
import BitsSystem

/// A number of bytes as people read it: `11.0 MB`, in powers of 1000.
struct Bytes: CustomStringConvertible {
    let count: Int

    init(_ count: Int) { self.count = count }

    var description: String { "\(ByteCount(count))" }

    /// How many times smaller `after` is than `before`.
    static func ratio(_ before: Int, _ after: Int) -> String { rounded(Double(before) / Double(max(1, after)), 2) }

    /// `value` with this many decimals.
    static func rounded(_ value: Double, _ decimals: Int) -> String {
        var scale = 1.0
        for _ in 0..<decimals { scale *= 10 }
        guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
        let scaled = Int((value * scale).rounded())
        let digits = String(scaled.magnitude)
        let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
        let sign = scaled < 0 ? "-" : ""
        return decimals == 0 ? sign + padded : "\(sign)\(padded.dropLast(decimals)).\(padded.suffix(decimals))"
    }
}

extension Bytes {
    /// `value` with this many digits that count, as `2e-04` below a thousandth.
    static func significant(_ value: Double, _ digits: Int) -> String {
        guard value.isFinite, value != 0 else { return "\(value)" }
        var exponent = Int(log10(value.magnitude).rounded(.down))
        var scaled = (value / pow(10, Double(exponent - digits + 1))).rounded()
        if scaled.magnitude >= pow(10, Double(digits)) { (exponent, scaled) = (exponent + 1, scaled / 10) }
        guard exponent < -3 else { return rounded(value, max(0, digits - 1 - exponent)) }
        var mantissa = rounded(scaled / pow(10, Double(digits - 1)), digits - 1)
        while mantissa.hasSuffix("0") && mantissa.contains(".") { mantissa.removeLast() }
        if mantissa.hasSuffix(".") { mantissa.removeLast() }
        return "\(mantissa)e-\(exponent > -10 ? "0" : "")\(-exponent)"
    }
}

/// A size on the command line: `1000000`, or with a unit, `500MB`, `3.5GB`, `2GiB`.
struct ByteSize: ExpressibleByArgument, CustomStringConvertible {
    /// At least 1.
    let count: Int
    let description: String

    /// Where transformers spreads a checkpoint over several files.
    static let transformersDefault = ByteSize(count: 50_000_000_000, description: "50GB")

    private static let units = [
        "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40, "KB": 1000, "MB": 1_000_000, "GB": 1_000_000_000, "TB": 1_000_000_000_000,
    ]

    private init(count: Int, description: String) {
        self.count = count
        self.description = description
    }

    init?(argument: String) {
        let digits = argument.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let unit = argument[digits.endIndex...].uppercased()
        guard let factor = unit.isEmpty ? 1 : ByteSize.units[unit] else { return nil }
        if let number = Int(digits) {
            let (count, overflow) = number.multipliedReportingOverflow(by: factor)
            guard number > 0, !overflow else { return nil }
            self.init(count: count, description: argument)
        } else {
            guard let number = Double(digits), !unit.isEmpty, let count = Int(exactly: (number * Double(factor)).rounded()), count > 0 else {
                return nil
            }
            self.init(count: count, description: argument)
        }
    }
}
