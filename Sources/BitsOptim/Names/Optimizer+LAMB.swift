public import BitsCore

// bitsandbytes' LAMB classes, under their names. Arguments are as there; `options` holds those that every class has.

extension Optimizer {
    /// ``LAMB`` with moments in `bits` bits, 8 or 32. Reference: `LAMB`.
    public static func lamb(
        _ parameters: [Parameter], learningRate: Double = 1e-3, biasCorrection: Bool = true, betas: (first: Double, second: Double) = (0.9, 0.999),
        epsilon: Double = 1e-8, weightDecay: Double = 0, amsgrad: Bool = false, decouplesWeightDecay: Bool = true, maxUpdateNorm: Double = 1,
        bits: Int = 32, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            LAMB(
                learningRate: learningRate, biasCorrection: biasCorrection, betas: betas, epsilon: epsilon, weightDecay: weightDecay,
                amsgrad: amsgrad,
                decouplesWeightDecay: decouplesWeightDecay, maxUpdateNorm: maxUpdateNorm),
            bits: bits, options)
    }

    /// ``LAMB`` with moments in 8 bits. Reference: `LAMB8bit`.
    public static func lamb8bit(
        _ parameters: [Parameter], learningRate: Double = 1e-3, biasCorrection: Bool = true, betas: (first: Double, second: Double) = (0.9, 0.999),
        epsilon: Double = 1e-8, weightDecay: Double = 0, amsgrad: Bool = false, decouplesWeightDecay: Bool = true, maxUpdateNorm: Double = 1,
        options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            LAMB(
                learningRate: learningRate, biasCorrection: biasCorrection, betas: betas, epsilon: epsilon, weightDecay: weightDecay,
                amsgrad: amsgrad,
                decouplesWeightDecay: decouplesWeightDecay, maxUpdateNorm: maxUpdateNorm),
            bits: 8, options)
    }

    /// ``LAMB`` with moments in 32 bits. Reference: `LAMB32bit`.
    public static func lamb32bit(
        _ parameters: [Parameter], learningRate: Double = 1e-3, biasCorrection: Bool = true, betas: (first: Double, second: Double) = (0.9, 0.999),
        epsilon: Double = 1e-8, weightDecay: Double = 0, amsgrad: Bool = false, decouplesWeightDecay: Bool = true, maxUpdateNorm: Double = 1,
        options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            LAMB(
                learningRate: learningRate, biasCorrection: biasCorrection, betas: betas, epsilon: epsilon, weightDecay: weightDecay,
                amsgrad: amsgrad,
                decouplesWeightDecay: decouplesWeightDecay, maxUpdateNorm: maxUpdateNorm),
            bits: 32, options)
    }
}
