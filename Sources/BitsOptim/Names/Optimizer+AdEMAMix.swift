public import BitsCore

// bitsandbytes' AdEMAMix classes, under their names. Arguments are as there; `options` holds those that every class has.

extension Optimizer {
    /// ``AdEMAMix`` with moments in `bits` bits, 8 or 32. Reference: `AdEMAMix`.
    public static func adEMAMix(
        _ parameters: [Parameter], learningRate: Double = 1e-3, betas: (first: Double, second: Double, third: Double) = (0.9, 0.999, 0.9999),
        alpha: Double = 5, alphaSteps: Int? = nil, beta3Steps: Int? = nil, epsilon: Double = 1e-8, weightDecay: Double = 1e-2, bits: Int = 32,
        paged: Bool = false, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            AdEMAMix(
                learningRate: learningRate, betas: betas, alpha: alpha, alphaSteps: alphaSteps, beta3Steps: beta3Steps, epsilon: epsilon,
                weightDecay: weightDecay),
            bits: bits, paged: paged, options)
    }

    /// ``AdEMAMix`` with moments in 8 bits. Reference: `AdEMAMix8bit`.
    public static func adEMAMix8bit(
        _ parameters: [Parameter], learningRate: Double = 1e-3, betas: (first: Double, second: Double, third: Double) = (0.9, 0.999, 0.9999),
        alpha: Double = 5, alphaSteps: Int? = nil, beta3Steps: Int? = nil, epsilon: Double = 1e-8, weightDecay: Double = 1e-2,
        options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            AdEMAMix(
                learningRate: learningRate, betas: betas, alpha: alpha, alphaSteps: alphaSteps, beta3Steps: beta3Steps, epsilon: epsilon,
                weightDecay: weightDecay),
            bits: 8, options)
    }

    /// ``AdEMAMix`` with moments in 32 bits. Reference: `AdEMAMix32bit`.
    public static func adEMAMix32bit(
        _ parameters: [Parameter], learningRate: Double = 1e-3, betas: (first: Double, second: Double, third: Double) = (0.9, 0.999, 0.9999),
        alpha: Double = 5, alphaSteps: Int? = nil, beta3Steps: Int? = nil, epsilon: Double = 1e-8, weightDecay: Double = 1e-2,
        options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            AdEMAMix(
                learningRate: learningRate, betas: betas, alpha: alpha, alphaSteps: alphaSteps, beta3Steps: beta3Steps, epsilon: epsilon,
                weightDecay: weightDecay),
            bits: 32, options)
    }

    /// ``AdEMAMix`` with moments in `bits` bits, 8 or 32, paged. Reference: `PagedAdEMAMix`.
    public static func pagedAdEMAMix(
        _ parameters: [Parameter], learningRate: Double = 1e-3, betas: (first: Double, second: Double, third: Double) = (0.9, 0.999, 0.9999),
        alpha: Double = 5, alphaSteps: Int? = nil, beta3Steps: Int? = nil, epsilon: Double = 1e-8, weightDecay: Double = 1e-2, bits: Int = 32,
        options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            AdEMAMix(
                learningRate: learningRate, betas: betas, alpha: alpha, alphaSteps: alphaSteps, beta3Steps: beta3Steps, epsilon: epsilon,
                weightDecay: weightDecay),
            bits: bits, paged: true, options)
    }

    /// ``AdEMAMix`` with moments in 8 bits, paged. Reference: `PagedAdEMAMix8bit`.
    public static func pagedAdEMAMix8bit(
        _ parameters: [Parameter], learningRate: Double = 1e-3, betas: (first: Double, second: Double, third: Double) = (0.9, 0.999, 0.9999),
        alpha: Double = 5, alphaSteps: Int? = nil, beta3Steps: Int? = nil, epsilon: Double = 1e-8, weightDecay: Double = 1e-2,
        options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            AdEMAMix(
                learningRate: learningRate, betas: betas, alpha: alpha, alphaSteps: alphaSteps, beta3Steps: beta3Steps, epsilon: epsilon,
                weightDecay: weightDecay),
            bits: 8, paged: true, options)
    }

    /// ``AdEMAMix`` with moments in 32 bits, paged. Reference: `PagedAdEMAMix32bit`.
    public static func pagedAdEMAMix32bit(
        _ parameters: [Parameter], learningRate: Double = 1e-3, betas: (first: Double, second: Double, third: Double) = (0.9, 0.999, 0.9999),
        alpha: Double = 5, alphaSteps: Int? = nil, beta3Steps: Int? = nil, epsilon: Double = 1e-8, weightDecay: Double = 1e-2,
        options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            AdEMAMix(
                learningRate: learningRate, betas: betas, alpha: alpha, alphaSteps: alphaSteps, beta3Steps: beta3Steps, epsilon: epsilon,
                weightDecay: weightDecay),
            bits: 32, paged: true, options)
    }
}
