public import BitsCore

// bitsandbytes' LARS classes, under their names. Arguments are as there; `options` holds those that every class has.

extension Optimizer {
    /// ``LARS`` with moments in `bits` bits, 8 or 32. Reference: `LARS`.
    public static func lars(
        _ parameters: [Parameter], learningRate: Double, momentum: Double = 0, dampening: Double = 0, weightDecay: Double = 0, nesterov: Bool = false,
        maxUpdateNorm: Double = 0.02, bits: Int = 32, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            LARS(
                learningRate: learningRate, momentum: momentum, dampening: dampening, weightDecay: weightDecay, nesterov: nesterov,
                maxUpdateNorm: maxUpdateNorm),
            bits: bits, options)
    }

    /// ``LARS`` with moments in 8 bits. Reference: `LARS8bit`.
    public static func lars8bit(
        _ parameters: [Parameter], learningRate: Double, momentum: Double = 0, dampening: Double = 0, weightDecay: Double = 0, nesterov: Bool = false,
        maxUpdateNorm: Double = 0.02, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            LARS(
                learningRate: learningRate, momentum: momentum, dampening: dampening, weightDecay: weightDecay, nesterov: nesterov,
                maxUpdateNorm: maxUpdateNorm),
            bits: 8, options)
    }

    /// ``LARS`` with moments in 32 bits. Reference: `LARS32bit`.
    public static func lars32bit(
        _ parameters: [Parameter], learningRate: Double, momentum: Double = 0, dampening: Double = 0, weightDecay: Double = 0, nesterov: Bool = false,
        maxUpdateNorm: Double = 0.02, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            LARS(
                learningRate: learningRate, momentum: momentum, dampening: dampening, weightDecay: weightDecay, nesterov: nesterov,
                maxUpdateNorm: maxUpdateNorm),
            bits: 32, options)
    }
}
