/// A value as configuration files and command lines have it.
public enum OverrideValue: Sendable, Equatable {
    case number(Double)
    case numbers([Double])
    case flag(Bool)
}

extension OverrideValue: ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByArrayLiteral, ExpressibleByBooleanLiteral {
    public init(integerLiteral value: Int) { self = .number(Double(value)) }
    public init(floatLiteral value: Double) { self = .number(value) }
    public init(arrayLiteral elements: Double...) { self = .numbers(elements) }
    public init(booleanLiteral value: Bool) { self = .flag(value) }
}

extension ParameterOverride {
    /// The keys of bitsandbytes' configurations that mean something here.
    public static let knownKeys = [
        "optim_bits", "lr", "betas", "eps", "weight_decay", "min_8bit_size", "skip_zeros", "is_sparse", "percentile_clipping", "max_unorm", "alpha",
        "t_alpha", "t_beta3",
    ]

    /// An override from keys and values, as `override_config(parameters, key_value_dict=...)` takes them.
    ///
    /// - Throws: ``OptimizerError/unknownKey(_:of:known:)``, or ``OptimizerError/invalidSetting(rule:name:value:expected:)`` for a value of another kind.
    public init(_ entries: [String: OverrideValue]) throws(OptimizerError) {
        self.init()
        for (key, value) in entries.sorted(by: { $0.key < $1.key }) {
            switch key {
            case "optim_bits":
                guard let bits = MomentBits(rawValue: Int(exactly: try value.number(key)) ?? 0) else { throw value.unsuitable(key, "8 or 32") }
                self.bits = bits
            case "lr": learningRate = try value.number(key)
            case "betas":
                guard case .numbers(let betas) = value else { throw value.unsuitable(key, "a list of numbers") }
                self.betas = betas
            case "eps": epsilon = try value.number(key)
            case "weight_decay": weightDecay = try value.number(key)
            case "min_8bit_size":
                guard let count = Int(exactly: try value.number(key)), count >= 0 else { throw value.unsuitable(key, "a number of elements") }
                minimum8bitCount = count
            case "skip_zeros", "is_sparse":
                guard case .flag(let flag) = value else { throw value.unsuitable(key, "true or false") }
                skipsZeros = flag
            case "percentile_clipping":
                guard let percentile = Int(exactly: try value.number(key)) else { throw value.unsuitable(key, "0 to 99, or 100 for none") }
                percentileClipping = percentile
            case "max_unorm", "alpha", "t_alpha", "t_beta3": others[key] = try value.number(key)
            default: throw .unknownKey(key, of: "an override", known: ParameterOverride.knownKeys)
            }
        }
    }
}

extension OverrideValue {
    fileprivate func number(_ key: String) throws(OptimizerError) -> Double {
        guard case .number(let number) = self else { throw unsuitable(key, "a number") }
        return number
    }

    fileprivate func unsuitable(_ key: String, _ expected: String) -> OptimizerError {
        let text =
            switch self {
            case .number(let number): "\(number)"
            case .numbers(let numbers): "\(numbers)"
            case .flag(let flag): "\(flag)"
            }
        return .invalidSetting(rule: "override", name: key, value: text, expected: expected)
    }
}
