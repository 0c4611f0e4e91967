import BitsCore
public import BitsModels
import BitsNN
import BitsQuant

/// How much of a model is trained.
public struct ParameterCounts: Sendable, Equatable {
    public let trainable: Int
    /// Numbers in the model and in what was added to it, quantized ones included.
    public let all: Int

    /// The trained share, in percent.
    public var percent: Double { all == 0 ? 0 : 100 * Double(trainable) / Double(all) }
}

extension ParameterCounts: CustomStringConvertible {
    /// As PEFT says it: `trainable params: 41,943,040 || all params: 8,072,204,288 || trainable%: 0.5196`.
    public var description: String {
        let places = Int((percent * 10_000).rounded())
        let fraction = String(places % 10_000)
        return "trainable params: \(ParameterCounts.grouped(trainable)) || all params: \(ParameterCounts.grouped(all)) || trainable%: "
            + "\(places / 10_000).\(String(repeating: "0", count: 4 - fraction.count))\(fraction)"
    }

    /// A number with a comma between thousands.
    private static func grouped(_ number: Int) -> String {
        let digits = Array(String(number))
        return String(
            digits.indices.flatMap { index in
                index > 0 && (digits.count - index) % 3 == 0 ? [",", digits[index]] : [digits[index]]
            })
    }
}

extension AdapterPlan {
    /// What would be trained of `model`, from shapes alone. Modules that are saved whole count as PEFT counts them: as they were, and as they are trained.
    public func counts(in model: TaskModel) -> ParameterCounts {
        let added = layers.reduce(0) { $0 + $1.parameterCount } + whole.reduce(0) { $0 + ($1.isCopied ? $1.shape.reduce(1, *) : 0) }
        return ParameterCounts(trainable: parameterCount, all: model.parameterCount + added)
    }
}

extension Adapter {
    /// What is trained of `model`, which the adapter is on. Reference: PEFT's `print_trainable_parameters`.
    public func counts(in model: TaskModel) -> ParameterCounts {
        ParameterCounts(trainable: parameterCount, all: model.parameterCount + whole.copiedCount)
    }
}

extension Module {
    /// Numbers in all weights of the tree, quantized ones included; a parameter that two modules share counts once.
    fileprivate var parameterCount: Int {
        var seen = Set<ObjectIdentifier>()
        return namedModules().reduce(0) { sum, entry in
            let plain = entry.module.parameters.map(\.parameter).filter { seen.insert(ObjectIdentifier($0)).inserted }
            return sum + plain.reduce(0) { $0 + $1.count } + entry.module.quantizedWeights.reduce(0) { $0 + $1.shape.reduce(1, *) }
        }
    }
}
