/// An optimizer by the name that Hugging Face's training arguments have for it: `adamw_bnb_8bit`, `paged_lion_32bit`, ...
///
/// Moments are in 8 bits where the name says `8bit`, paged where it says `paged`.
public struct OptimizerName: Sendable, Equatable {
    enum Family: Sendable, Equatable { case adamW, adEMAMix, lion, rmsprop, sgd, adagrad }

    public let text: String
    let family: Family
    public let bits: MomentBits
    public let isPaged: Bool

    /// - Throws: ``OptimizerError/unknownOptimizer(_:known:)``.
    public init(_ text: String) throws(OptimizerError) {
        guard let family = OptimizerName.families.first(where: { $0.names.contains(text) })?.family else {
            throw .unknownOptimizer(text, known: OptimizerName.all)
        }
        self.text = text
        self.family = family
        bits = text.hasSuffix("8bit") ? .eight : .thirtyTwo
        isPaged = text.hasPrefix("paged")
    }

    /// Every name there is.
    public static var all: [String] { families.flatMap(\.names) }

    private static let families: [(family: Family, names: [String])] = [
        (
            .adamW,
            [
                "adamw_bnb_8bit", "adamw_8bit", "paged_adamw_8bit", "paged_adamw_32bit", "adamw_torch", "adamw_torch_fused",
            ]
        ),
        (.adEMAMix, ["ademamix", "ademamix_8bit", "paged_ademamix_32bit", "paged_ademamix_8bit"]),
        (.lion, ["lion_32bit", "lion_8bit", "paged_lion_32bit", "paged_lion_8bit"]),
        (.rmsprop, ["rmsprop_bnb", "rmsprop_bnb_8bit", "rmsprop_bnb_32bit", "rmsprop"]),
        (.sgd, ["sgd"]),
        (.adagrad, ["adagrad"]),
    ]

    /// How moments are kept.
    public var storage: MomentStorage { bits == .eight ? .blockwise8bit(paged: isPaged) : .float32(paged: isPaged) }

    /// The rule with a trainer's settings.
    ///
    /// - Parameters:
    ///   - adamBetas: what a trainer calls `adam_beta1` and `adam_beta2`; Lion takes them too.
    ///   - adamEpsilon: `adam_epsilon`.
    ///   - arguments: `optim_args`, as `key=value` with commas: `alpha=5.0,t_alpha=1000` for AdEMAMix, `alpha`, `momentum` for RMSprop, and the
    ///     settings of the other rules under their names.
    /// - Throws: ``OptimizerError`` for a key that the rule does not have, or a value that is no number or out of range.
    public func rule(
        learningRate: Double, adamBetas: (first: Double, second: Double) = (0.9, 0.999), adamEpsilon: Double = 1e-8, weightDecay: Double = 0,
        arguments: String = ""
    ) throws(OptimizerError) -> any UpdateRule {
        var rule: any UpdateRule =
            switch family {
            case .adamW: AdamW(learningRate: learningRate, betas: adamBetas, epsilon: adamEpsilon, weightDecay: weightDecay)
            case .adEMAMix:
                AdEMAMix(
                    learningRate: learningRate, betas: (adamBetas.first, adamBetas.second, 0.9999), epsilon: adamEpsilon, weightDecay: weightDecay)
            case .lion: Lion(learningRate: learningRate, betas: adamBetas, weightDecay: weightDecay)
            case .rmsprop: RMSprop(learningRate: learningRate, weightDecay: weightDecay)
            case .sgd: SGD(learningRate: learningRate, weightDecay: weightDecay)
            case .adagrad: Adagrad(learningRate: learningRate, weightDecay: weightDecay)
            }
        for argument in arguments.split(separator: ",") {
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map { String($0).trimmed }
            guard parts.count == 2, let value = OptimizerName.value(parts[1]) else {
                throw .invalidSetting(rule: text, name: "argument", value: "'\(argument)'", expected: "key=value with a number")
            }
            try rule.change(settingName(parts[0]), to: value)
        }
        try rule.validate()
        return rule
    }

    /// What arguments call the settings that are known by their place in lists.
    private func settingName(_ key: String) -> String {
        switch key {
        case "beta1": "betas[0]"
        case "beta2": "betas[1]"
        case "beta3": "betas[2]"
        default: key
        }
    }

    private static func value(_ text: String) -> SettingValue? {
        switch text.lowercased() {
        case "true": .flag(true)
        case "false": .flag(false)
        case "none": SettingValue.none
        default: Double(text).map { .number($0) }
        }
    }
}

extension String {
    fileprivate var trimmed: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}
