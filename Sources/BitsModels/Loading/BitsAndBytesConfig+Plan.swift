package import BitsIO
package import BitsNN
package import BitsQuant

extension BitsAndBytesConfig {
    /// What config.json is to say of a model whose layers are quantized to `forms`, by path; nil if no linear layer is.
    ///
    /// The skip list that a reader goes by is the one that the layers were chosen by; where that does not say which stay as they are, they are listed.
    ///
    /// - Parameter skipping: see ``BitsNN/ModelQuantization/skipping``.
    package init?(_ plan: ModelPlan, forms: [String: Quantization], skipping: [String]?) {
        let layers = plan.layers.filter { $0.role != .embedding }
        let first = layers.first { $0.role == .linear && forms[$0.path] != nil } ?? layers.first { forms[$0.path] != nil }
        guard let form = first.flatMap({ forms[$0.path] }) else { return nil }
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
    }
}
