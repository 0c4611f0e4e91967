import BitsCore
import BitsOptim

/// One step over 16.8 million elements (on a GPU 268 million), for each rule; AdamW also with 16-bit parameters, with paged moments, and on the 448 parameters of an adapter on all
/// linear layers of a model with seven billion weights, 42 million elements in all, beside one parameter of that size.
func optimizerMeasurements(on device: Device) -> [Measurement] {
    let side = device.size(4096, gpu: 16384)
    func step(
        _ name: String, _ rule: any UpdateRule, _ moments: MomentStorage, dtype: DType = .float32, parameters count: Int = 1,
        of size: Int? = nil
    ) -> Measurement {
        let size = size ?? side * side
        return Measurement(name, shape: "\(count > 1 ? "\(count) of " : "")\(size) \(dtype.rawValue)", on: device) {
            var generator = RandomGenerator(seed: 1)
            let parameters = (0..<count).map { _ in
                let parameter = Parameter(Tensor.normal([size], standardDeviation: 0.02, using: &generator, dtype: dtype, device: device))
                parameter.gradient = Tensor.normal([size], standardDeviation: 1e-3, using: &generator, dtype: dtype, device: device)
                return parameter
            }
            let optimizer = try Optimizer(groups: [ParameterGroup(parameters, rule: rule)], moments: moments)
            return { try optimizer.step() }
        }
    }
    let adapter = 93_696
    return [
        step("adamw-8bit", AdamW(learningRate: 1e-4), .blockwise8bit()),
        step("adamw-32bit", AdamW(learningRate: 1e-4), .float32),
        step("lion-8bit", Lion(learningRate: 1e-4), .blockwise8bit()),
        step("sgd-8bit", SGD(learningRate: 1e-4, momentum: 0.9), .blockwise8bit()),
        step("rmsprop-8bit", RMSprop(learningRate: 1e-4), .blockwise8bit()),
        step("adagrad-8bit", Adagrad(learningRate: 1e-4), .blockwise8bit()),
        step("ademamix-8bit", AdEMAMix(learningRate: 1e-4), .blockwise8bit()),
        step("adamw-8bit-bf16", AdamW(learningRate: 1e-4), .blockwise8bit(), dtype: .bfloat16),
        step("lion-8bit-bf16", Lion(learningRate: 1e-4), .blockwise8bit(), dtype: .bfloat16),
        step("sgd-8bit-bf16", SGD(learningRate: 1e-4, momentum: 0.9), .blockwise8bit(), dtype: .bfloat16),
        step("rmsprop-8bit-bf16", RMSprop(learningRate: 1e-4), .blockwise8bit(), dtype: .bfloat16),
        step("adagrad-8bit-bf16", Adagrad(learningRate: 1e-4), .blockwise8bit(), dtype: .bfloat16),
        step("ademamix-8bit-bf16", AdEMAMix(learningRate: 1e-4), .blockwise8bit(), dtype: .bfloat16),
        step("adamw-32bit-bf16", AdamW(learningRate: 1e-4), .float32, dtype: .bfloat16),
        step("adamw-8bit-paged", AdamW(learningRate: 1e-4), .blockwise8bit(paged: true)),
        step("adamw-32bit-paged", AdamW(learningRate: 1e-4), .float32(paged: true)),
        step("adamw-8bit-adapter", AdamW(learningRate: 1e-4), .blockwise8bit(), parameters: 448, of: adapter),
        step("adamw-8bit-adapter-joined", AdamW(learningRate: 1e-4), .blockwise8bit(), of: 448 * adapter),
        step("adamw-32bit-adapter", AdamW(learningRate: 1e-4), .float32, parameters: 448, of: adapter),
        step("adamw-32bit-adapter-joined", AdamW(learningRate: 1e-4), .float32, of: 448 * adapter),
    ]
}
