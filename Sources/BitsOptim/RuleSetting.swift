/// A number or a switch of an update rule: what it is called, what it may be, where bitsandbytes' files have it.
public struct RuleSetting<Rule>: Sendable {
    /// As in bitsandbytes' arguments: `lr`, `eps`, `momentum`, ...
    public let name: String
    /// Its key in the parameter groups of state files; `betas[0]` stands for the first of the list `betas`.
    public let fileKey: String
    /// What values it may have, in words.
    public let expected: String
    /// Whether it is a number of something, or none.
    let isCount: Bool
    let get: @Sendable (Rule) -> SettingValue
    let set: @Sendable (inout Rule, SettingValue) -> Bool
    private let allows: @Sendable (SettingValue) -> Bool

    private init(
        _ name: String, _ fileKey: String?, expected: String, isCount: Bool = false, get: @escaping @Sendable (Rule) -> SettingValue,
        set: @escaping @Sendable (inout Rule, SettingValue) -> Bool, allows: @escaping @Sendable (SettingValue) -> Bool
    ) {
        (self.name, self.fileKey, self.expected, self.isCount) = (name, fileKey ?? name, expected, isCount)
        (self.get, self.set, self.allows) = (get, set, allows)
    }

    private static func double(
        _ name: String, _ fileKey: String?, _ path: any WritableKeyPath<Rule, Double> & Sendable, expected: String,
        allows: @escaping @Sendable (Double) -> Bool
    ) -> RuleSetting {
        RuleSetting(
            name, fileKey, expected: expected, get: { .number($0[keyPath: path]) },
            set: { rule, value in
                guard case .number(let number) = value else { return false }
                rule[keyPath: path] = number
                return true
            },
            allows: {
                guard case .number(let number) = $0 else { return false }
                return allows(number)
            })
    }

    /// A finite number, zero or above.
    public static func number(_ name: String, fileKey: String? = nil, _ path: any WritableKeyPath<Rule, Double> & Sendable) -> RuleSetting {
        double(name, fileKey, path, expected: "a finite number, 0 or above") { $0 >= 0 && $0.isFinite }
    }

    /// A share of what is kept: 0 or above, below 1.
    public static func beta(_ name: String, fileKey: String? = nil, _ path: any WritableKeyPath<Rule, Double> & Sendable) -> RuleSetting {
        double(name, fileKey, path, expected: "0 or above and below 1") { $0 >= 0 && $0 < 1 }
    }

    /// A share of what is kept that cannot be nothing: above 0, below 1.
    public static func positiveBeta(_ name: String, fileKey: String? = nil, _ path: any WritableKeyPath<Rule, Double> & Sendable) -> RuleSetting {
        double(name, fileKey, path, expected: "above 0 and below 1") { $0 > 0 && $0 < 1 }
    }

    /// On or off.
    public static func flag(_ name: String, _ path: any WritableKeyPath<Rule, Bool> & Sendable) -> RuleSetting {
        RuleSetting(
            name, nil, expected: "true or false", get: { .flag($0[keyPath: path]) },
            set: { rule, value in
                switch value {
                case .flag(let flag): rule[keyPath: path] = flag
                case .number(let number) where number == 0 || number == 1: rule[keyPath: path] = number == 1
                default: return false
                }
                return true
            }, allows: { _ in true })
    }

    /// A number of steps, or none.
    public static func steps(_ name: String, _ path: any WritableKeyPath<Rule, Int?> & Sendable) -> RuleSetting {
        RuleSetting(
            name, nil, expected: "a number of steps, or none", isCount: true, get: { $0[keyPath: path].map { .number(Double($0)) } ?? .none },
            set: { rule, value in
                switch value {
                case .number(let number):
                    guard let steps = Int(exactly: number) else { return false }
                    rule[keyPath: path] = steps
                case .none: rule[keyPath: path] = nil
                case .flag: return false
                }
                return true
            },
            allows: {
                guard case .number(let number) = $0 else { return true }
                return number >= 0
            })
    }

    /// The setting of a rule that holds this one's at `path`.
    func of<Outer>(_ path: any WritableKeyPath<Outer, Rule> & Sendable) -> RuleSetting<Outer> {
        RuleSetting<Outer>(
            name, fileKey, expected: expected, isCount: isCount, get: { get($0[keyPath: path]) }, set: { set(&$0[keyPath: path], $1) }, allows: allows
        )
    }

    func validate(_ rule: Rule) throws(OptimizerError) where Rule: UpdateRule {
        let value = get(rule)
        if !allows(value) { throw .invalidSetting(rule: Rule.name, name: name, value: "\(value)", expected: expected) }
    }
}

/// What a setting is.
public enum SettingValue: Sendable, Equatable, CustomStringConvertible {
    case number(Double)
    case flag(Bool)
    /// Nothing, where a setting may be left out.
    case none

    public var description: String {
        switch self {
        case .number(let number): "\(number)"
        case .flag(let flag): "\(flag)"
        case .none: "none"
        }
    }
}

extension UpdateRule {
    /// Changes the setting of that name, or with that key in files.
    ///
    /// - Throws: ``OptimizerError/unknownKey(_:of:known:)``; ``OptimizerError/invalidSetting(rule:name:value:expected:)`` for a value of another kind.
    mutating func change(_ name: String, to value: SettingValue) throws(OptimizerError) {
        guard let setting = Self.settings.first(where: { $0.name == name }) ?? Self.settings.first(where: { $0.fileKey == name }) else {
            throw .unknownKey(name, of: Self.name, known: Self.settings.map(\.name))
        }
        guard setting.set(&self, value) else {
            throw .invalidSetting(rule: Self.name, name: name, value: "\(value)", expected: setting.expected)
        }
    }
}
