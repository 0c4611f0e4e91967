public import BitsCore
public import BitsQuant

/// The weights of a model before training: matrices normal around 0, vectors 1, biases 0.
///
/// ```swift
/// try model.load(from: RandomWeights(for: model, using: RandomGenerator(seed: 1)), options: LoadOptions(quantization: .fourBit(.nf4)))
/// ```
public final class RandomWeights: WeightSource {
    private let shapes: [String: [Int]]
    private let standardDeviation: Float
    private let dtype: DType
    private var generator: RandomGenerator

    /// - Parameters:
    ///   - standardDeviation: of the matrices.
    ///   - generator: drawn from in the order in which entries are asked for.
    public init(for model: Module, standardDeviation: Float = 0.02, dtype: DType = .float32, using generator: RandomGenerator) {
        let plan = ModelPlan(model)
        shapes = Dictionary(plan.entries.map { ($0.name, plan.storedShape($0)) }) { first, _ in first }
        (self.standardDeviation, self.dtype, self.generator) = (standardDeviation, dtype, generator)
    }

    public var names: [String]? { shapes.keys.sorted() }

    public func entry(_ name: String) -> WeightEntry? {
        shapes[name].map {
            WeightEntry(dtype: dtype, typeName: dtype.rawValue, shape: $0, byteCount: dtype.byteCount * $0.reduce(1, *))
        }
    }

    public func tensor(_ name: String, on device: Device) -> Tensor? {
        guard let shape = shapes[name] else { return nil }
        if shape.count > 1 { return .normal(shape, standardDeviation: standardDeviation, using: &generator, dtype: dtype, device: device) }
        return name.hasSuffix("bias") ? .zeros(shape, dtype: dtype, device: device) : .ones(shape, dtype: dtype, device: device)
    }

    public func release(_ name: String) {}
}
