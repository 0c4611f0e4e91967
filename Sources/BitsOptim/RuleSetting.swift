/// A number or a switch of an update rule, under the name that bitsandbytes has for it.
public struct RuleSetting<Rule>: Sendable {
    /// As in arguments and state files: `lr`, `betas[0]`, `eps`, `weight_decay`, ...
    public let name: String
    /// What values it may have, in words.
    public let expected: String
    let get: @Sendable (Rule) -> Double?
    let set: @Sendable (inout Rule, Double?) -> Void
    private let allows: @Sendable (Double?) -> Bool

    private init(
        _ name: String, expected: String, get: @escaping @Sendable (Rule) -> Double?, set: @escaping @Sendable (inout Rule, Double?) -> Void,
        allows: @escaping @Sendable (Double?) -> Bool
    ) {
        (self.name, self.expected, self.get, self.set, self.allows) = (name, expected, get, set, allows)
    }

    /// A finite number, zero or above.
    public static func number(_ name: String, _ path: any WritableKeyPath<Rule, Double> & Sendable) -> RuleSetting {
        RuleSetting(
            name, expected: "a finite number, 0 or above", get: { $0[keyPath: path] }, set: { if let value = $1 { $0[keyPath: path] = value } },
            allows: { $0.map { $0 >= 0 && $0.isFinite } ?? false })
    }

    /// A share of what is kept: 0 or above, below 1.
    public static func beta(_ name: String, _ path: any WritableKeyPath<Rule, Double> & Sendable) -> RuleSetting {
        RuleSetting(
            name, expected: "0 or above and below 1", get: { $0[keyPath: path] }, set: { if let value = $1 { $0[keyPath: path] = value } },
            allows: { $0.map { $0 >= 0 && $0 < 1 } ?? false })
    }

    /// On or off.
    public static func flag(_ name: String, _ path: any WritableKeyPath<Rule, Bool> & Sendable) -> RuleSetting {
        RuleSetting(
            name, expected: "0 or 1", get: { $0[keyPath: path] ? 1 : 0 }, set: { if let value = $1 { $0[keyPath: path] = value != 0 } },
            allows: { $0 == 0 || $0 == 1 })
    }

    /// A number of steps, or none.
    public static func steps(_ name: String, _ path: any WritableKeyPath<Rule, Int?> & Sendable) -> RuleSetting {
        RuleSetting(
            name, expected: "a number of steps, or none", get: { $0[keyPath: path].map(Double.init) },
            set: { $0[keyPath: path] = $1.map { Int($0) } },
            allows: { $0.map { $0 >= 0 } ?? true })
    }

    func validate(_ rule: Rule) throws(OptimizerError) where Rule: UpdateRule {
        let value = get(rule)
        if !allows(value) { throw .invalidSetting(rule: Rule.name, name: name, value: value.map { "\($0)" } ?? "none", expected: expected) }
    }
}
