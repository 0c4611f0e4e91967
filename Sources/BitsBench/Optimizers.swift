import BitsCore
import BitsOptim

/// One step over 16.8 million float32 parameters, for each rule.
func optimizerMeasurements() -> [Measurement] {
    let count = 4096 * 4096
    func step(_ name: String, _ rule: any UpdateRule, _ moments: MomentStorage) -> Measurement {
        Measurement(name, shape: "\(count) float32") {
            var generator = RandomGenerator(seed: 1)
            let parameter = Parameter(Tensor.normal([count], standardDeviation: 0.02, using: &generator))
            parameter.gradient = Tensor.normal([count], standardDeviation: 1e-3, using: &generator)
            let optimizer = try Optimizer(groups: [ParameterGroup([parameter], rule: rule)], moments: moments)
            return {
                try optimizer.step()
                try parameter.device.synchronize()
            }
        }
    }
    return [
        step("adamw-8bit", AdamW(learningRate: 1e-4), .blockwise8bit()),
        step("adamw-32bit", AdamW(learningRate: 1e-4), .float32),
        step("lion-8bit", Lion(learningRate: 1e-4), .blockwise8bit()),
        step("sgd-8bit", SGD(learningRate: 1e-4, momentum: 0.9), .blockwise8bit()),
        step("rmsprop-8bit", RMSprop(learningRate: 1e-4), .blockwise8bit()),
        step("adagrad-8bit", Adagrad(learningRate: 1e-4), .blockwise8bit()),
        step("ademamix-8bit", AdEMAMix(learningRate: 1e-4), .blockwise8bit()),
    ]
}
