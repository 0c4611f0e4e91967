import BitsCore
import BitsOptim

/// One step over 16.8 million parameters, for each rule; AdamW also with 16-bit parameters and with paged moments.
func optimizerMeasurements() -> [Measurement] {
    let count = 4096 * 4096
    func step(_ name: String, _ rule: any UpdateRule, _ moments: MomentStorage, dtype: DType = .float32) -> Measurement {
        Measurement(name, shape: "\(count) \(dtype.rawValue)") {
            var generator = RandomGenerator(seed: 1)
            let parameter = Parameter(Tensor.normal([count], standardDeviation: 0.02, using: &generator).cast(to: dtype))
            parameter.gradient = Tensor.normal([count], standardDeviation: 1e-3, using: &generator).cast(to: dtype)
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
        step("adamw-8bit-bf16", AdamW(learningRate: 1e-4), .blockwise8bit(), dtype: .bfloat16),
        step("adamw-32bit-bf16", AdamW(learningRate: 1e-4), .float32, dtype: .bfloat16),
        step("adamw-8bit-paged", AdamW(learningRate: 1e-4), .blockwise8bit(paged: true)),
        step("adamw-32bit-paged", AdamW(learningRate: 1e-4), .float32(paged: true)),
    ]
}
