import BitsCore
public import BitsModels
import BitsNN

extension TaskModel {
    /// Gets a quantized model ready to have an adapter trained on it: everything is frozen, weights in 16 bits (norms, embeddings, the head) become float32,
    /// and blocks are computed again on the way back.
    ///
    /// - Parameter recomputesBlocks: see ``BitsModels/BackboneModel/recomputesBlocks``.
    /// Reference: PEFT's `prepare_model_for_kbit_training`. Gradients reach the adapters without what that does to inputs.
    public func prepareForKBitTraining(recomputesBlocks: Bool = true) {
        setTrainable(false)
        for (_, parameter) in namedParameters() where parameter.dtype != .float32 && parameter.packed == nil {
            parameter.value = parameter.value.cast(to: .float32)
        }
        self.recomputesBlocks = recomputesBlocks
    }
}
