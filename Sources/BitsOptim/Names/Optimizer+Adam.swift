public import BitsCore

// bitsandbytes' Adam classes, under their names. Arguments are as there; `options` holds those that every class has.

extension Optimizer {
    /// ``Adam`` with moments in `bits` bits, 8 or 32. Reference: `Adam`.
    public static func adam(
        _ parameters: [Parameter], learningRate: Double = 1e-3, betas: (first: Double, second: Double) = (0.9, 0.999), epsilon: Double = 1e-8,
        weightDecay: Double = 0, amsgrad: Bool = false, bits: Int = 32, paged: Bool = false, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            Adam(
                learningRate: learningRate, betas: betas, epsilon: epsilon, weightDecay: weightDecay, amsgrad: amsgrad),
            bits: bits, paged: paged, options)
    }

    /// ``Adam`` with moments in 8 bits. Reference: `Adam8bit`.
    public static func adam8bit(
        _ parameters: [Parameter], learningRate: Double = 1e-3, betas: (first: Double, second: Double) = (0.9, 0.999), epsilon: Double = 1e-8,
        weightDecay: Double = 0, amsgrad: Bool = false, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            Adam(
                learningRate: learningRate, betas: betas, epsilon: epsilon, weightDecay: weightDecay, amsgrad: amsgrad),
            bits: 8, options)
    }

    /// ``Adam`` with moments in 32 bits. Reference: `Adam32bit`.
    public static func adam32bit(
        _ parameters: [Parameter], learningRate: Double = 1e-3, betas: (first: Double, second: Double) = (0.9, 0.999), epsilon: Double = 1e-8,
        weightDecay: Double = 0, amsgrad: Bool = false, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            Adam(
                learningRate: learningRate, betas: betas, epsilon: epsilon, weightDecay: weightDecay, amsgrad: amsgrad),
            bits: 32, options)
    }

    /// ``Adam`` with moments in `bits` bits, 8 or 32, paged. Reference: `PagedAdam`.
    public static func pagedAdam(
        _ parameters: [Parameter], learningRate: Double = 1e-3, betas: (first: Double, second: Double) = (0.9, 0.999), epsilon: Double = 1e-8,
        weightDecay: Double = 0, amsgrad: Bool = false, bits: Int = 32, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            Adam(
                learningRate: learningRate, betas: betas, epsilon: epsilon, weightDecay: weightDecay, amsgrad: amsgrad),
            bits: bits, paged: true, options)
    }

    /// ``Adam`` with moments in 8 bits, paged. Reference: `PagedAdam8bit`.
    public static func pagedAdam8bit(
        _ parameters: [Parameter], learningRate: Double = 1e-3, betas: (first: Double, second: Double) = (0.9, 0.999), epsilon: Double = 1e-8,
        weightDecay: Double = 0, amsgrad: Bool = false, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            Adam(
                learningRate: learningRate, betas: betas, epsilon: epsilon, weightDecay: weightDecay, amsgrad: amsgrad),
            bits: 8, paged: true, options)
    }

    /// ``Adam`` with moments in 32 bits, paged. Reference: `PagedAdam32bit`.
    public static func pagedAdam32bit(
        _ parameters: [Parameter], learningRate: Double = 1e-3, betas: (first: Double, second: Double) = (0.9, 0.999), epsilon: Double = 1e-8,
        weightDecay: Double = 0, amsgrad: Bool = false, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            Adam(
                learningRate: learningRate, betas: betas, epsilon: epsilon, weightDecay: weightDecay, amsgrad: amsgrad),
            bits: 32, paged: true, options)
    }
}
