import BitsKernels

/// Gradients divided by the root of the sum of all their squares.
///
/// ```
/// g = g + λ p
/// v = v + g²
/// p = p - η / (1 + (t - 1) learningRateDecay) g / (√v + ε)
/// ```
///
/// - Note: Duchi, Hazan and Singer 2011, Journal of Machine Learning Research 12. Reference: `Adagrad`.
public struct Adagrad: UpdateRule {
    public static let name = "adagrad"
    public var learningRate: Double
    /// How fast the learning rate falls with the number of steps. Original: `lr_decay`.
    public var learningRateDecay: Double
    /// Added to the gradient, times the parameter.
    public var weightDecay: Double
    /// What v starts from.
    public var initialAccumulatorValue: Double
    public var epsilon: Double

    public init(
        learningRate: Double = 1e-2, learningRateDecay: Double = 0, weightDecay: Double = 0, initialAccumulatorValue: Double = 0,
        epsilon: Double = 1e-10
    ) {
        (self.learningRate, self.learningRateDecay, self.weightDecay) = (learningRate, learningRateDecay, weightDecay)
        (self.initialAccumulatorValue, self.epsilon) = (initialAccumulatorValue, epsilon)
    }

    public static let settings: [RuleSetting<Adagrad>] = [
        .number("lr", \.learningRate), .number("lr_decay", \.learningRateDecay), .number("weight_decay", \.weightDecay),
        .number("initial_accumulator_value", \.initialAccumulatorValue), .number("eps", \.epsilon),
    ]

    /// The sum of squares. It has signed codes, as in bitsandbytes' files.
    public var moments: [Moment] { [Moment(isSigned: true, initialValue: initialAccumulatorValue)] }

    public func update(step: Int, learningRate: Double) -> ElementUpdate {
        ElementUpdate(
            .adagrad(ElementRule.Adagrad(epsilon: Float(epsilon))), step: -learningRate / (1 + Double(step - 1) * learningRateDecay),
            coupledDecay: weightDecay)
    }
}
