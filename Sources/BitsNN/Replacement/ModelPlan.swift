import BitsCore

/// What a model is made of, by names and shapes alone. It is read off the model, which may be without weights: no memory is taken.
public struct ModelPlan: Sendable {
    /// A checkpoint's entry.
    public struct Entry: Sendable, Equatable {
        public let name: String
        public let shape: [Int]
    }

    /// A layer that can be quantized, in floating point.
    public struct Layer: Sendable, Equatable {
        /// What a model uses a layer for.
        public enum Role: Sendable {
            case linear, head, embedding
        }

        public let path: String
        public let role: Role
        public let weight: Entry
        public let bias: Entry?
        /// Whether a head multiplies with this embedding's table, see ``TiedLinear``.
        public let isShared: Bool
        /// Why a quantization leaves it unless it is told otherwise; nil if it does not.
        public let keptByDefault: String?
        /// Whether a reader takes it to have been left where config.json lists nothing.
        package let isKeptByReaders: Bool
    }

    /// The layers that can be quantized, in the model's order.
    public let layers: [Layer]
    /// The heads without a weight of their own, with the paths of the embeddings that they share; nil where that is quantized.
    public let tiedHeads: [(path: String, embedding: String?)]
    /// All other parameters.
    public let parameters: [Entry]
    /// What is particular about the names of the model's files.
    public let names: CheckpointNames

    public init(_ model: Module) {
        let (modules, kept, heads) = (model.namedModules(), model.keptByDefault, Set(model.outputHeads.map { ObjectIdentifier($0) }))
        let ties = modules.compactMap { path, module in (module as? TiedLinear).map { (path: path, embedding: ObjectIdentifier($0.embedding)) } }
        let (shared, keptByReaders) = (Set(ties.map(\.embedding)), model.keptByReaders)
        var (layers, parameters): ([Layer], [Entry]) = ([], [])
        for (path, module) in modules {
            var entries = module.parameters.map { Entry(name: path.isEmpty ? $0.name : "\(path).\($0.name)", shape: $0.parameter.shape) }
            let role: Layer.Role? =
                module is Embedding ? .embedding : module is Linear ? heads.contains(ObjectIdentifier(module)) ? .head : .linear : nil
            guard let role, !entries.isEmpty else {
                parameters += entries
                continue
            }
            let weight = entries.removeFirst()
            layers.append(
                Layer(
                    path: path, role: role, weight: weight, bias: entries.first, isShared: shared.contains(ObjectIdentifier(module)),
                    keptByDefault: kept[path], isKeptByReaders: keptByReaders.contains(path)))
        }
        (self.layers, self.parameters) = (layers, parameters)
        tiedHeads = ties.map { tie in
            (tie.path, modules.first { $0.module is Embedding && ObjectIdentifier($0.module) == tie.embedding }?.path)
        }
        names = model.checkpointNames
    }

    /// Every entry that the model asks an unquantized checkpoint for.
    public var entries: [Entry] { layers.flatMap { [$0.weight] + ($0.bias.map { [$0] } ?? []) } + parameters }

    /// The shape in which an unquantized checkpoint has `entry`.
    package func storedShape(_ entry: Entry) -> [Int] { isTransposed(entry.name) ? entry.shape.reversed() : entry.shape }

    /// Whether an unquantized checkpoint has the entry called `name` transposed.
    package func isTransposed(_ name: String) -> Bool { name.hasSuffix(".weight") && names.isTransposed(String(name.dropLast(".weight".count))) }

    /// The heads that stay as they are because they share the table of an embedding that is not among the `quantized` layers.
    package func keptHeads(_ selection: inout LayerSelection, quantized: [Layer]) -> [ModelReport.Kept] {
        let quantized = Set(quantized.map(\.path))
        return tiedHeads.compactMap { path, embedding in
            // A skip list may name it.
            _ = selection.reasonToSkip(path)
            guard let embedding, !quantized.contains(embedding) else { return nil }
            return ModelReport.Kept(path: path, reason: "shares its weight with the embedding", byteCount: 0)
        }
    }
}
