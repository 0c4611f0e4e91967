package import BitsIO
package import BitsNN
package import BitsQuant

extension BitsAndBytesConfig {
    /// What config.json is to say of a model whose layers are quantized to `forms`, by path; nil if no linear layer is.
    ///
    /// The section speaks for all layers at once: where their forms differ, for those of the commonest one. Readers that know only the section cannot read
    /// the others; here each weight's own entries count.
    ///
    /// The skip list that a reader goes by is the one that the layers were chosen by; where that does not say which stay as they are, they are listed.
    ///
    /// - Parameters:
    ///   - skipping: see ``BitsNN/ModelQuantization/skipping``.
    ///   - path: of the model, for errors.
    /// - Throws: ``BitsIO/ModelFileError/unsupported(path:_:)`` for int8 layers with different thresholds: the section has room for one.
    package init?(_ plan: ModelPlan, forms: [String: Quantization], skipping: [String]?, path: String) throws(ModelFileError) {
        let layers = plan.layers.filter { $0.role != .embedding }
        let linear = layers.filter { $0.role == .linear && forms[$0.path] != nil }
        guard let form = (linear.isEmpty ? layers : linear).compactMap({ forms[$0.path] }).commonest else { return nil }
        let plain = layers.filter { forms[$0.path] == nil }.map(\.path)
        func kept(_ skipping: [String]?) -> [String] {
            var selection = LayerSelection(ModelQuantization(skipping: skipping))
            func leaves(_ layer: ModelPlan.Layer) -> Bool { skipping == nil ? layer.isKeptByReaders : selection.reasonToKeep(layer) != nil }
            // The section says nothing of a head that is quantized in another form than the layers.
            return layers.filter { layer in
                leaves(layer) && (layer.role == .linear || forms[layer.path].map { $0.formatName == form.formatName } ?? true)
            }.map(\.path)
        }
        self.init(form, skipModules: [skipping, nil].first { kept($0) == plain } ?? plain)
        let int8 = Set(plan.layers.compactMap { forms[$0.path]?.outlierThreshold }).sorted()
        guard int8.count < 2 else {
            let thresholds = int8.map { "\($0)" }.joined(separator: " and ")
            throw .unsupported(
                path: path, "has int8 layers with the outlier thresholds \(thresholds), of which config.json can say one; give all of them the same")
        }
        if let threshold = int8.first { outlierThreshold = BitsAndBytesConfig(.int8(outlierThreshold: threshold)).outlierThreshold }
    }
}

extension Quantization {
    /// That of int8; nil for another form.
    fileprivate var outlierThreshold: Float? {
        if case .int8(let threshold, _) = self { threshold } else { nil }
    }
}

extension [Quantization] {
    /// The first one with the name that most have.
    fileprivate var commonest: Quantization? {
        let counts = reduce(into: [:]) { counts, form in counts[form.name, default: 0] += 1 }
        return first { counts[$0.name] == counts.values.max() }
    }
}
