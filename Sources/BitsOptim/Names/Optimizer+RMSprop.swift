public import BitsCore

// bitsandbytes' RMSprop classes, under their names. Arguments are as there; `options` holds those that every class has.

extension Optimizer {
    /// ``RMSprop`` with moments in `bits` bits, 8 or 32. Reference: `RMSprop`.
    public static func rmsprop(
        _ parameters: [Parameter], learningRate: Double = 1e-2, alpha: Double = 0.99, epsilon: Double = 1e-8, weightDecay: Double = 0,
        momentum: Double = 0, centered: Bool = false, bits: Int = 32, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            RMSprop(
                learningRate: learningRate, alpha: alpha, epsilon: epsilon, weightDecay: weightDecay, momentum: momentum, centered: centered),
            bits: bits, options)
    }

    /// ``RMSprop`` with moments in 8 bits. Reference: `RMSprop8bit`.
    public static func rmsprop8bit(
        _ parameters: [Parameter], learningRate: Double = 1e-2, alpha: Double = 0.99, epsilon: Double = 1e-8, weightDecay: Double = 0,
        momentum: Double = 0, centered: Bool = false, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            RMSprop(
                learningRate: learningRate, alpha: alpha, epsilon: epsilon, weightDecay: weightDecay, momentum: momentum, centered: centered),
            bits: 8, options)
    }

    /// ``RMSprop`` with moments in 32 bits. Reference: `RMSprop32bit`.
    public static func rmsprop32bit(
        _ parameters: [Parameter], learningRate: Double = 1e-2, alpha: Double = 0.99, epsilon: Double = 1e-8, weightDecay: Double = 0,
        momentum: Double = 0, centered: Bool = false, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            RMSprop(
                learningRate: learningRate, alpha: alpha, epsilon: epsilon, weightDecay: weightDecay, momentum: momentum, centered: centered),
            bits: 32, options)
    }
}
