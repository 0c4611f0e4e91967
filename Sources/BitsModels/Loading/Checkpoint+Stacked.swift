package import BitsIO
package import BitsNN

extension Checkpoint {
    /// The checkpoint in `folder` as a model with these names asks for it: entries that stand for several layers are cut into those.
    ///
    /// - Throws: ``BitsIO/ModelFileError`` as opening it does.
    package init(_ folder: ModelFolder, for names: CheckpointNames) throws(ModelFileError) {
        try self.init(folder)
        guard !names.stacked.isEmpty else { return }
        for name in self.names {
            guard let shape = self[name]?.shape else { continue }
            guard let parts = names.stacked.lazy.compactMap({ $0.entries(in: name, shape: shape) }).first else { continue }
            cut(name, into: parts.map { ($0.name, $0.shape) })
        }
    }
}
