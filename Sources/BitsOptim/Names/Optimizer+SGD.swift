public import BitsCore

// bitsandbytes' SGD classes, under their names. Arguments are as there; `options` holds those that every class has.

extension Optimizer {
    /// ``SGD`` with moments in `bits` bits, 8 or 32. Reference: `SGD`.
    public static func sgd(
        _ parameters: [Parameter], learningRate: Double, momentum: Double = 0, dampening: Double = 0, weightDecay: Double = 0, nesterov: Bool = false,
        bits: Int = 32, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            SGD(
                learningRate: learningRate, momentum: momentum, dampening: dampening, weightDecay: weightDecay, nesterov: nesterov),
            bits: bits, options)
    }

    /// ``SGD`` with moments in 8 bits. Reference: `SGD8bit`.
    public static func sgd8bit(
        _ parameters: [Parameter], learningRate: Double, momentum: Double = 0, dampening: Double = 0, weightDecay: Double = 0, nesterov: Bool = false,
        options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            SGD(
                learningRate: learningRate, momentum: momentum, dampening: dampening, weightDecay: weightDecay, nesterov: nesterov),
            bits: 8, options)
    }

    /// ``SGD`` with moments in 32 bits. Reference: `SGD32bit`.
    public static func sgd32bit(
        _ parameters: [Parameter], learningRate: Double, momentum: Double = 0, dampening: Double = 0, weightDecay: Double = 0, nesterov: Bool = false,
        options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            SGD(
                learningRate: learningRate, momentum: momentum, dampening: dampening, weightDecay: weightDecay, nesterov: nesterov),
            bits: 32, options)
    }
}
