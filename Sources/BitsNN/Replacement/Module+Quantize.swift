import BitsCore
import BitsQuant

extension Module {
    /// Quantizes the linear layers below this module in place, and its embeddings if asked to.
    ///
    /// ```swift
    /// let report = try model.quantize(to: .fourBit(.nf4), skipping: ["lm_head", "model.layers.0"])
    /// ```
    /// - Parameters:
    ///   - form: what linear layers become.
    ///   - embeddings: what embeddings become; nil keeps them.
    ///   - skipping: layers to leave as they are, see ``ModulePattern``; nil for the defaults, see ``keptByDefault``.
    /// - Returns: what was quantized, what was kept and why, and the bytes before and after.
    /// - Throws: ``BitsQuant/QuantizationError`` for a form that does not fit a layer, or when the device failed; layers before it are quantized.
    /// - Note: a layer is quantized from the type that its weight has, which is what dequantization gives back. Reference: `replace_linear`,
    ///   transformers' `replace_with_bnb_linear`.
    @discardableResult
    public func quantize(
        to form: LayerQuantization, embeddings: LayerQuantization? = nil, skipping: [String]? = nil
    ) throws -> QuantizationReport {
        let before = byteCount
        var report = try replaceLayers(skipping: skipping) { _, layer in
            if let linear = layer as? Linear { return (form.name, try form.layer(linear)) }
            if let embeddings, let table = layer as? Embedding { return (embeddings.name, try embeddings.layer(table)) }
            return nil
        }
        (report.byteCountBefore, report.byteCount) = (before, byteCount)
        return report
    }

    /// Replaces linear layers below this module by what `replacement` makes of each, given its path; nil keeps it.
    ///
    /// - Parameter skipping: as in ``quantize(to:embeddings:skipping:)``.
    /// - Returns: as ``quantize(to:embeddings:skipping:)`` does, each new layer under the name of its type. Reference: `replace_linear`.
    @discardableResult
    public func replaceLinearLayers(
        skipping: [String]? = nil, with replacement: (_ path: String, Linear) throws -> LinearLayer?
    ) throws -> QuantizationReport {
        let before = byteCount
        var report = try replaceLayers(skipping: skipping) { path, layer in
            guard let linear = layer as? Linear, let new = try replacement(path, linear) else { return nil }
            return ("\(type(of: new))", new)
        }
        (report.byteCountBefore, report.byteCount) = (before, byteCount)
        return report
    }

    /// Puts what `replacement` answers in the place of each layer that is not to be skipped. The report's totals are left to the caller.
    ///
    /// - Parameter stored: asked before, and even where a layer is to be skipped.
    func replaceLayers(
        skipping: [String]?, stored: (String, Module) throws -> (form: String, layer: Module)? = { _, _ in nil },
        _ replacement: (String, Module) throws -> (form: String, layer: Module)?
    ) throws -> QuantizationReport {
        var selection = LayerSelection(skipping: skipping, keptByDefault: keptByDefault)
        var report = QuantizationReport()
        try replaceModules("") { path, module, fits in
            func keep(_ reason: String) { report.kept.append(.init(path: path, reason: reason, byteCount: module.byteCount)) }
            if !module.quantizedWeights.isEmpty { keep("is quantized already") }
            guard module is Linear || module is EmbeddingLayer, module.quantizedWeights.isEmpty else { return nil }
            let before = module.byteCount
            var answer = try stored(path, module)
            if answer == nil {
                if let reason = selection.reasonToKeep(path) {
                    keep(reason)
                    return nil
                }
                answer = try replacement(path, module)
            }
            guard let (form, layer) = answer else {
                keep(module is Linear ? "was not to be replaced" : "embeddings stay as they are")
                return nil
            }
            guard fits(layer) else {
                keep("is declared as \(type(of: module)), which \(type(of: layer)) is not; declare it as a layer of any precision")
                return nil
            }
            let nonFinite = try layer.quantizedWeights.reduce(0) { try $0 + $1.nonFiniteInputCount() }
            report.quantized.append(
                .init(path: path, form: form, byteCountBefore: before, byteCount: layer.byteCount, nonFiniteCount: nonFinite))
            return layer
        }
        report.unmatchedSkips = selection.unmatchedSkips
        return report
    }

    /// The quantized weights of this module alone.
    var quantizedWeights: [any QuantizedTensor] { declarations.flatMap { $0.quantized.map(\.tensor) } }
}
