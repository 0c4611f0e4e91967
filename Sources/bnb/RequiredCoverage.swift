import ArgumentParser
import BitsNN

/// `--require-coverage`: a share from 0 to 1.
struct RequiredCoverage: ExpressibleByArgument {
    private let share: Double

    init?(argument: String) {
        guard let share = Double(argument), (0...1).contains(share) else { return nil }
        self.share = share
    }

    /// Fails where less is quantized, with what was left.
    func check(_ coverage: QuantizationCoverage) throws {
        guard coverage.share < share else { return }
        throw Failure(
            .data,
            "quantized \(coverage.percentage) of the weights of linear layers, less than --require-coverage \(share); left: \(coverage.leftText)")
    }
}

extension QuantizationCoverage {
    /// `98.2 %`: never 100 where something is left.
    var percentage: String {
        let percent = 100 * share
        return "\(Bytes.rounded(share < 1 ? min(percent, 99.9) : percent, 1)) %"
    }

    /// The layers that are left, the first kinds of them.
    var leftText: String {
        let (kinds, most) = (left.kinds, 5)
        return kinds.prefix(most).joined(separator: "; ") + (kinds.count > most ? "; and \(kinds.count - most) kinds more" : "")
    }
}
