public import BitsCore

// bitsandbytes' Lion classes, under their names. Arguments are as there; `options` holds those that every class has.

extension Optimizer {
    /// ``Lion`` with moments in `bits` bits, 8 or 32. Reference: `Lion`.
    public static func lion(
        _ parameters: [Parameter], learningRate: Double = 1e-4, betas: (first: Double, second: Double) = (0.9, 0.99), weightDecay: Double = 0,
        bits: Int = 32, paged: Bool = false, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            Lion(
                learningRate: learningRate, betas: betas, weightDecay: weightDecay),
            bits: bits, paged: paged, options)
    }

    /// ``Lion`` with moments in 8 bits. Reference: `Lion8bit`.
    public static func lion8bit(
        _ parameters: [Parameter], learningRate: Double = 1e-4, betas: (first: Double, second: Double) = (0.9, 0.99), weightDecay: Double = 0,
        options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            Lion(
                learningRate: learningRate, betas: betas, weightDecay: weightDecay),
            bits: 8, options)
    }

    /// ``Lion`` with moments in 32 bits. Reference: `Lion32bit`.
    public static func lion32bit(
        _ parameters: [Parameter], learningRate: Double = 1e-4, betas: (first: Double, second: Double) = (0.9, 0.99), weightDecay: Double = 0,
        options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            Lion(
                learningRate: learningRate, betas: betas, weightDecay: weightDecay),
            bits: 32, options)
    }

    /// ``Lion`` with moments in `bits` bits, 8 or 32, paged. Reference: `PagedLion`.
    public static func pagedLion(
        _ parameters: [Parameter], learningRate: Double = 1e-4, betas: (first: Double, second: Double) = (0.9, 0.99), weightDecay: Double = 0,
        bits: Int = 32, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            Lion(
                learningRate: learningRate, betas: betas, weightDecay: weightDecay),
            bits: bits, paged: true, options)
    }

    /// ``Lion`` with moments in 8 bits, paged. Reference: `PagedLion8bit`.
    public static func pagedLion8bit(
        _ parameters: [Parameter], learningRate: Double = 1e-4, betas: (first: Double, second: Double) = (0.9, 0.99), weightDecay: Double = 0,
        options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            Lion(
                learningRate: learningRate, betas: betas, weightDecay: weightDecay),
            bits: 8, paged: true, options)
    }

    /// ``Lion`` with moments in 32 bits, paged. Reference: `PagedLion32bit`.
    public static func pagedLion32bit(
        _ parameters: [Parameter], learningRate: Double = 1e-4, betas: (first: Double, second: Double) = (0.9, 0.99), weightDecay: Double = 0,
        options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            Lion(
                learningRate: learningRate, betas: betas, weightDecay: weightDecay),
            bits: 32, paged: true, options)
    }
}
