import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsQuant
import BitsTune

extension WeightOptions {
    /// How a model is loaded whose weights these are: int8 weights that are to be trained stay beside their codes.
    func loaded(_ quantization: ModelQuantization) -> ModelQuantization {
        var quantization = quantization
        if full, case .int8(let threshold, _)? = quantization.layers {
            quantization.layers = .int8(outlierThreshold: threshold, keepsFloat16Weights: true)
        }
        return quantization
    }

    /// What is trained of `model`, with an adapter on it where that is meant.
    ///
    /// - Parameters:
    ///   - seed: of the adapter's start.
    ///   - baseModel: what the adapter is for, as its file is to say.
    ///   - original: the weights before they were quantized, for starts that ask for them.
    func trained(
        of model: CausalLanguageModel, seed: UInt64, baseModel: String?, original: () throws -> (any WeightSource)?
    ) throws -> TrainedWeights {
        guard full else {
            if let adapter { return TrainedWeights(try Adapter(ModelFolder(path: adapter), on: model), in: model) }
            var generator = RandomGenerator(seed: seed)
            let weights = loraStart == .kaiming ? nil : try original()
            return TrainedWeights(try Adapter(on: model, try configuration(baseModel: baseModel), original: weights, using: &generator), in: model)
        }
        let patterns = trainOnly.map { ModulePattern($0) }
        return try TrainedWeights(of: model) { path in
            let module = path.split(separator: ".").dropLast().joined(separator: ".")
            return patterns.isEmpty || patterns.contains { $0.matches(module) || $0.matches(path) }
        }
    }
}
