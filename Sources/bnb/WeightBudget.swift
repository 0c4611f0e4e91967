import ArgumentParser
import BitsQuant
import BitsTune

/// What a mixed choice may take: `3.5GB` for all weights of the model, or what a form takes, `nf4-dq`, or so many times that, `1.1xnf4-dq`.
enum WeightBudget: ExpressibleByArgument {
    case bytes(ByteSize)
    case form(Quantization, factor: Double)

    init?(argument: String) {
        if let size = ByteSize(argument: argument) {
            self = .bytes(size)
            return
        }
        let parts = argument.split(separator: "x", maxSplits: 1)
        if parts.count == 2, let factor = Double(parts[0]), factor > 0, factor <= 100, let form = Quantization(argument: String(parts[1])) {
            self = .form(form, factor: factor)
        } else if let form = Quantization(argument: argument) {
            self = .form(form, factor: 1)
        } else {
            return nil
        }
    }
}
