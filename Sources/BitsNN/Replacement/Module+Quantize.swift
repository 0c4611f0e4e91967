import BitsCore
public import BitsQuant

extension Module {
    /// Quantizes the linear layers below this module in place, and its embeddings and heads if asked to.
    ///
    /// ```swift
    /// let report = try model.quantize(to: .fourBit(.nf4), skipping: ["lm_head", "model.layers.0"])
    /// ```
    /// - Parameters: as in ``ModelQuantization``.
    /// - Returns: what was quantized, what was kept and why, and the bytes before and after.
    /// - Throws: ``BitsQuant/QuantizationError`` for a form that does not fit a layer, or when the device failed; layers before it are quantized.
    /// - Note: a layer is quantized from the type that its weight has, which is what dequantization gives back. Reference: `replace_linear`,
    ///   transformers' `replace_with_bnb_linear`.
    @discardableResult
    public func quantize(
        to form: Quantization?, embeddings: Quantization? = nil, head: Quantization? = nil, skipping: [String]? = nil
    ) throws -> ModelReport {
        try quantize(ModelQuantization(form, embeddings: embeddings, head: head, skipping: skipping))
    }

    /// Quantizes layers below this module in place, as ``quantize(to:embeddings:head:skipping:)`` does.
    @discardableResult
    public func quantize(_ quantization: ModelQuantization) throws -> ModelReport {
        try replaceLayers(quantization) { _, module, form in
            let before = module.byteCount
            let new: Module
            switch module {
            case let linear as Linear: new = try form.layer(linear)
            case let table as Embedding: new = try form.layer(table)
            default: return nil
            }
            return NewLayer(module: new, form: form.formatName, byteCountBefore: before)
        }
    }

    /// Replaces linear layers below this module by what `replacement` makes of each, given its path; nil keeps it.
    ///
    /// - Parameter skipping: as in ``ModelQuantization``.
    /// - Returns: as ``quantize(to:embeddings:head:skipping:)`` does, each new layer under the name of its type. Reference: `replace_linear`.
    @discardableResult
    public func replaceLinearLayers(
        skipping: [String]? = nil, with replacement: (_ path: String, Linear) throws -> (any LinearLayer)?
    ) throws -> ModelReport {
        // Any form asks for linear layers; what they become is the caller's.
        try replaceLayers(ModelQuantization(.int8(), skipping: skipping)) { layer, module, _ in
            guard let linear = module as? Linear, let new = try replacement(layer.path, linear) else { return nil }
            return NewLayer(module: new, form: "\(type(of: new))", byteCountBefore: linear.byteCount)
        }
    }
}

/// What is put in a layer's place.
struct NewLayer {
    let module: Module
    let form: String
    var wasQuantized = false
    let byteCountBefore: Int
}

extension Module {
    /// Puts what `replacement` answers in the place of each layer that `quantization` takes, and reports all.
    ///
    /// - Parameters:
    ///   - stored: asked before all else, and even where a layer is to be left.
    ///   - other: called with every module that stays where it is, and its path; what is below it comes after.
    func replaceLayers(
        _ quantization: ModelQuantization, stored: (ModelPlan.Layer, Module) throws -> NewLayer? = { _, _ in nil },
        other: (String, Module) throws -> Void = { _, _ in }, _ replacement: (ModelPlan.Layer, Module, Quantization) throws -> NewLayer?
    ) throws -> ModelReport {
        let plan = ModelPlan(self)
        let layers = Dictionary(plan.layers.map { ($0.path, $0) }) { first, _ in first }
        var quantized: [ModelPlan.Layer] = []
        var (selection, report) = (LayerSelection(quantization), ModelReport())
        report.byteCountBefore = byteCount
        func answer(_ layer: ModelPlan.Layer, _ module: Module) throws -> (new: NewLayer?, reason: String?) {
            if let new = try counted(as: .weights, { () throws in try stored(layer, module) }) { return (new, nil) }
            switch selection.choice(layer) {
            case .quantize(let form):
                let new = try counted(as: .weights) { () throws in try replacement(layer, module, form) }
                return (new, new == nil ? "was not to be replaced" : nil)
            case .keep(let reason): return (nil, reason)
            case .leave: return (nil, nil)
            }
        }
        try other("", self)
        try replaceModules("") { path, module, fits in
            func keep(_ reason: String?) throws -> Module? {
                try other(path, module)
                if let reason { report.kept.append(.init(path: path, reason: reason, byteCount: module.byteCount)) }
                return nil
            }
            guard let layer = layers[path] else { return try keep(module.quantizedWeights.isEmpty ? nil : "is quantized already") }
            let (new, reason) = try answer(layer, module)
            guard let new else { return try keep(reason) }
            guard fits(new.module) else {
                return try keep("is declared as \(type(of: module)), which \(type(of: new.module)) is not; declare it as a layer of any precision")
            }
            quantized.append(layer)
            let nonFinite = try new.module.quantizedWeights.reduce(0) { try $0 + $1.nonFiniteInputCount() }
            report.quantized.append(
                .init(
                    path: path, form: new.form, role: layer.role, wasQuantized: new.wasQuantized,
                    byteCountBefore: new.byteCountBefore, byteCount: new.module.byteCount, nonFiniteCount: nonFinite))
            return new.module
        }
        let keptHeads = plan.keptHeads(&selection, quantized: quantized)
        if quantization.takesLayers { report.kept += keptHeads }
        if quantized.isEmpty && !quantization.isEmpty { report.notes.append("no layer was quantized") }
        report.unmatchedSkips = selection.unmatchedSkips
        report.byteCount = byteCount
        report.coverage = QuantizationCoverage(plan.layers, quantized: Set(quantized.map(\.path)))
        return report
    }

    /// The quantized weights of this module alone.
    package var quantizedWeights: [any QuantizedTensor] { declarations.flatMap { $0.quantized.map(\.tensor) } }
}
