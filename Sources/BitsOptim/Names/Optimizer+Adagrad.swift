public import BitsCore

// bitsandbytes' Adagrad classes, under their names. Arguments are as there; `options` holds those that every class has.

extension Optimizer {
    /// ``Adagrad`` with moments in `bits` bits, 8 or 32. Reference: `Adagrad`.
    public static func adagrad(
        _ parameters: [Parameter], learningRate: Double = 1e-2, learningRateDecay: Double = 0, weightDecay: Double = 0,
        initialAccumulatorValue: Double = 0, epsilon: Double = 1e-10, bits: Int = 32, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            Adagrad(
                learningRate: learningRate, learningRateDecay: learningRateDecay, weightDecay: weightDecay,
                initialAccumulatorValue: initialAccumulatorValue, epsilon: epsilon),
            bits: bits, options)
    }

    /// ``Adagrad`` with moments in 8 bits. Reference: `Adagrad8bit`.
    public static func adagrad8bit(
        _ parameters: [Parameter], learningRate: Double = 1e-2, learningRateDecay: Double = 0, weightDecay: Double = 0,
        initialAccumulatorValue: Double = 0, epsilon: Double = 1e-10, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            Adagrad(
                learningRate: learningRate, learningRateDecay: learningRateDecay, weightDecay: weightDecay,
                initialAccumulatorValue: initialAccumulatorValue, epsilon: epsilon),
            bits: 8, options)
    }

    /// ``Adagrad`` with moments in 32 bits. Reference: `Adagrad32bit`.
    public static func adagrad32bit(
        _ parameters: [Parameter], learningRate: Double = 1e-2, learningRateDecay: Double = 0, weightDecay: Double = 0,
        initialAccumulatorValue: Double = 0, epsilon: Double = 1e-10, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try Optimizer(
            named: parameters,
            Adagrad(
                learningRate: learningRate, learningRateDecay: learningRateDecay, weightDecay: weightDecay,
                initialAccumulatorValue: initialAccumulatorValue, epsilon: epsilon),
            bits: 32, options)
    }
}
