import BitsCore
public import BitsModels
import BitsNN

extension Adapter {
    /// Puts layers in floating point that compute what the adapted ones do in their places; the adapter is not part of the model any more.
    ///
    /// Each weight is `W + scale · B · A` (or what DoRA makes of it), rounded once to the type that W has, or was quantized from; with the updates of adapters
    /// that were put on before, which are merged where both are. What was quantized can be quantized anew with
    /// ``BitsNN/Module/quantize(to:embeddings:head:skipping:)``, at the price of another rounding. A head that shares the table of an adapted embedding gets
    /// a weight of its own. What was trained whole stays, in the type that it had. Reference: PEFT's `merge_and_unload`.
    public func merge(into model: TaskModel) {
        let merged = Dictionary(uniqueKeysWithValues: layers.map { entry in (ObjectIdentifier(entry.layer), noGradient { entry.layer.merged }) })
        model.keepTables { merged[ObjectIdentifier($0)] != nil }
        model.replaceLayers(merged)
        whole.settle()
        model.apply(model.policy)
    }

    /// Takes the adapter off `model`, which computes what it did without it.
    ///
    /// Where the start was taken out of a base layer it is put back, with one rounding to the layer's type.
    ///
    /// - Throws: ``AdapterError`` when a base layer cannot be quantized again.
    public func remove(from model: TaskModel) throws(AdapterError) {
        var bases: [ObjectIdentifier: Module] = [:]
        for (path, layer) in layers {
            switch layer {
            case let layer as LoRALinear:
                guard let start = layer.start else {
                    bases[ObjectIdentifier(layer)] = layer.base
                    continue
                }
                let weight = noGradient { layer.base.weightMatrix(.float32) + start.product * layer.scale }
                bases[ObjectIdentifier(layer)] = try LoRALayerMaker.layer(like: layer.base, weight: weight, path: path)
            case let layer as LoRAEmbedding: bases[ObjectIdentifier(layer)] = layer.base
            default: preconditionFailure("'\(path)' is a \(type(of: layer))")
            }
        }
        model.replaceLayers(bases)
        whole.setEnabled(false)
        for parameter in whole.parameters { parameter.isTrainable = false }
        model.apply(model.policy)
    }
}

extension LoRALayer {
    /// A frozen layer in floating point that computes the same.
    fileprivate var merged: Module {
        switch self {
        case let layer as LoRALinear:
            let weight = layer.weightMatrix(layer.root.weightMatrix().dtype)
            return Linear(weight: Parameter(weight, isTrainable: false), bias: layer.mergedBias)
        case let layer as LoRAEmbedding:
            let (table, plain) = (layer.adaptedTable.cast(to: layer.root.table().dtype).contiguous(), layer.root as? Embedding)
            let merged = Embedding(weight: Parameter(table, isTrainable: false), paddingIndex: plain?.paddingIndex)
            merged.averagesGradient = plain?.averagesGradient ?? false
            return merged
        default: preconditionFailure("\(type(of: self)) is no layer that can be merged")
        }
    }
}

extension LoRALinear {
    /// The bias of the layers together; nil where none has one.
    var mergedBias: Parameter? {
        let below = (base as? LoRALinear)?.mergedBias ?? base.bias
        guard let upBias, share != 0 else { return below }
        let update = upBias.value * (scale * share)
        guard let below else { return Parameter(update.cast(to: root.weightMatrix().dtype), isTrainable: false) }
        return Parameter((below.value + update).cast(to: below.dtype), isTrainable: false)
    }
}

extension TaskModel {
    /// Gives heads that share the table of an adapted embedding a weight of their own, which is the table as it is.
    fileprivate func keepTables(_ isMerged: (any EmbeddingLayer) -> Bool) {
        replaceModules { _, module in
            guard let head = module as? TiedLinear, isMerged(head.embedding) else { return nil }
            return Linear(weight: Parameter(head.weightMatrix(), isTrainable: false), computeDType: head.computeDType)
        }
    }

    /// Puts `layers` in the place of the layers of adapters that they stand for, also where those are inside others.
    fileprivate func replaceLayers(_ layers: [ObjectIdentifier: Module]) {
        replaceModules { _, module in layers[ObjectIdentifier(module)] }
    }
}
