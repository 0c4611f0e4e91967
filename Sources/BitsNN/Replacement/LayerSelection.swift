public import BitsQuant

/// Which layers a quantization takes, and why it leaves the others: asked layer by layer, whoever quantizes.
public struct LayerSelection {
    /// What becomes of a layer.
    public enum Choice: Sendable, Equatable {
        case quantize(Quantization)
        /// It stays as it is, for this reason.
        case keep(String)
        /// Nothing is asked of layers like it.
        case leave
    }

    private let quantization: ModelQuantization
    private let skips: [ModulePattern]?
    private let takesHeads: Bool
    private var matched: Set<String> = []

    /// The layers that `quantization` leaves: those on its skip list; without one those that are kept by default, heads not if it says what becomes of them.
    public init(_ quantization: ModelQuantization) {
        self.quantization = quantization
        skips = quantization.skipping.map { $0.map(ModulePattern.init) }
        takesHeads = quantization.head != nil
    }

    /// What becomes of `layer`.
    public mutating func choice(_ layer: ModelPlan.Layer) -> Choice {
        if quantization.choices != nil { return quantization.quantization(of: layer).map { .quantize($0) } ?? .keep("was chosen to stay as it is") }
        // A skip list may name what nothing is asked of.
        let reason = reasonToKeep(layer)
        guard let form = quantization.quantization(of: layer) else { return .leave }
        return reason.map { .keep($0) } ?? .quantize(form)
    }

    /// Why `layer` stays as it is; nil if it may be quantized.
    public mutating func reasonToKeep(_ layer: ModelPlan.Layer) -> String? {
        skips == nil ? takesHeads && layer.role == .head ? nil : layer.keptByDefault : reasonToSkip(layer.path)
    }

    /// Why a skip list leaves the layer at `path`; nil if it does not.
    mutating func reasonToSkip(_ path: String) -> String? {
        let matching = (skips ?? []).filter { $0.matches(path) }
        matched.formUnion(matching.map(\.text))
        return matching.first.map { "is on the skip list ('\($0.text)')" }
    }

    /// The entries of the skip list that have matched no layer so far.
    public var unmatchedSkips: [String] { (skips ?? []).map(\.text).filter { !matched.contains($0) } }
}

extension Module {
    /// What a quantization of this tree leaves as it is unless it is told otherwise: path and reason.
    ///
    /// The output heads; the routers of experts; modules whose weight another module uses too; the module with the last weight of the tree (a bias behind
    /// it makes it an ordinary one), which is the head where the model does not say which is. As transformers does.
    public var keptByDefault: [String: String] { kept(heads: outputHeads) }

    /// What a reader takes to have been left where config.json lists nothing.
    var keptByReaders: Set<String> { Set(kept(heads: impliedHeads).keys) }

    private func kept(heads: [any LinearLayer]) -> [String: String] {
        var kept: [String: String] = [:]
        let (modules, heads) = (namedModules(), Set(heads.map { ObjectIdentifier($0) }))
        let routers = Set(routers.map { ObjectIdentifier($0) })
        let owners = Dictionary(
            grouping: modules.flatMap { entry in entry.module.parameters.map { (entry.path, ObjectIdentifier($0.parameter)) } }, by: \.1)
        if let last = namedParameters().last?.path, last.hasSuffix(".weight") {
            kept[String(last.dropLast(".weight".count))] = "the last layer stays as it is"
        }
        for (path, module) in modules where routers.contains(ObjectIdentifier(module)) { kept[path] = "routers of experts stay as they are" }
        for (path, module) in modules where heads.contains(ObjectIdentifier(module)) { kept[path] = "output heads stay as they are" }
        for paths in owners.values.map({ $0.map(\.0) }) where paths.count > 1 {
            for path in paths { kept[path] = "shares its weight with \(paths.filter { $0 != path }.joined(separator: ", "))" }
        }
        return kept
    }
}
