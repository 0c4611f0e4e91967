public import BitsCore

// bitsandbytes' AdamW classes, under their names. Arguments are as there; `options` holds those that every class has.

extension Optimizer {
    /// ``AdamW`` with moments in `bits` bits, 8 or 32. Reference: `AdamW`.
    public static func adamW(
        _ parameters: [Parameter], learningRate: Double = 1e-3, betas: (first: Double, second: Double) = (0.9, 0.999), epsilon: Double = 1e-8,
        weightDecay: Double = 1e-2, amsgrad: Bool = false, bits: Int = 32, paged: Bool = false, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            AdamW(
                learningRate: learningRate, betas: betas, epsilon: epsilon, weightDecay: weightDecay, amsgrad: amsgrad),
            bits: bits, paged: paged, options)
    }

    /// ``AdamW`` with moments in 8 bits. Reference: `AdamW8bit`.
    public static func adamW8bit(
        _ parameters: [Parameter], learningRate: Double = 1e-3, betas: (first: Double, second: Double) = (0.9, 0.999), epsilon: Double = 1e-8,
        weightDecay: Double = 1e-2, amsgrad: Bool = false, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            AdamW(
                learningRate: learningRate, betas: betas, epsilon: epsilon, weightDecay: weightDecay, amsgrad: amsgrad),
            bits: 8, options)
    }

    /// ``AdamW`` with moments in 32 bits. Reference: `AdamW32bit`.
    public static func adamW32bit(
        _ parameters: [Parameter], learningRate: Double = 1e-3, betas: (first: Double, second: Double) = (0.9, 0.999), epsilon: Double = 1e-8,
        weightDecay: Double = 1e-2, amsgrad: Bool = false, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            AdamW(
                learningRate: learningRate, betas: betas, epsilon: epsilon, weightDecay: weightDecay, amsgrad: amsgrad),
            bits: 32, options)
    }

    /// ``AdamW`` with moments in `bits` bits, 8 or 32, paged. Reference: `PagedAdamW`.
    public static func pagedAdamW(
        _ parameters: [Parameter], learningRate: Double = 1e-3, betas: (first: Double, second: Double) = (0.9, 0.999), epsilon: Double = 1e-8,
        weightDecay: Double = 1e-2, amsgrad: Bool = false, bits: Int = 32, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            AdamW(
                learningRate: learningRate, betas: betas, epsilon: epsilon, weightDecay: weightDecay, amsgrad: amsgrad),
            bits: bits, paged: true, options)
    }

    /// ``AdamW`` with moments in 8 bits, paged. Reference: `PagedAdamW8bit`.
    public static func pagedAdamW8bit(
        _ parameters: [Parameter], learningRate: Double = 1e-3, betas: (first: Double, second: Double) = (0.9, 0.999), epsilon: Double = 1e-8,
        weightDecay: Double = 1e-2, amsgrad: Bool = false, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            AdamW(
                learningRate: learningRate, betas: betas, epsilon: epsilon, weightDecay: weightDecay, amsgrad: amsgrad),
            bits: 8, paged: true, options)
    }

    /// ``AdamW`` with moments in 32 bits, paged. Reference: `PagedAdamW32bit`.
    public static func pagedAdamW32bit(
        _ parameters: [Parameter], learningRate: Double = 1e-3, betas: (first: Double, second: Double) = (0.9, 0.999), epsilon: Double = 1e-8,
        weightDecay: Double = 1e-2, amsgrad: Bool = false, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            AdamW(
                learningRate: learningRate, betas: betas, epsilon: epsilon, weightDecay: weightDecay, amsgrad: amsgrad),
            bits: 32, paged: true, options)
    }
}
