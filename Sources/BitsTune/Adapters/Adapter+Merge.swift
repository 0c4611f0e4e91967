import BitsCore
public import BitsModels
import BitsNN

extension Adapter {
    /// Puts layers in floating point that compute what the adapted ones do in their places; the adapter is not part of the model any more.
    ///
    /// Each weight is `W + scale · B · A`, rounded once to the type that W has, or was quantized from. What was quantized can be quantized anew with
    /// ``BitsNN/Module/quantize(to:embeddings:head:skipping:)``, at the price of another rounding. Reference: PEFT's `merge_and_unload`.
    public func merge(into model: TaskModel) {
        let own = Set(layers.map { ObjectIdentifier($0.layer) })
        model.replaceModules { _, module in
            guard let adapted = module as? LoRALinear, own.contains(ObjectIdentifier(adapted)) else { return nil }
            let weight = noGradient { adapted.weightMatrix(adapted.base.weightMatrix().dtype) }
            let bias = adapted.base.parameters.first { $0.name == "bias" }?.parameter
            return Linear(weight: Parameter(weight, isTrainable: false), bias: bias)
        }
        model.apply(model.policy)
    }
}
