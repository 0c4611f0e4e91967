/// Which layers a quantization takes, and why it leaves the others.
public struct LayerSelection {
    private let skips: [ModulePattern]?
    private let keptByDefault: [String: String]
    private var matched: Set<String> = []

    /// - Parameters:
    ///   - skipping: layers to leave as they are, see ``ModulePattern``; a list replaces the defaults, an empty one leaves nothing out.
    ///   - keptByDefault: what is left without a list, with the reasons; see ``Module/keptByDefault``.
    public init(skipping: [String]? = nil, keptByDefault: [String: String] = [:]) {
        skips = skipping.map { $0.map(ModulePattern.init) }
        self.keptByDefault = keptByDefault
    }

    /// Why the layer at `path` stays as it is; nil if it is to be quantized.
    public mutating func reasonToKeep(_ path: String) -> String? {
        guard let skips else { return keptByDefault[path] ?? (LayerSelection.isHead(path) ? LayerSelection.headReason : nil) }
        let matching = skips.filter { $0.matches(path) }
        matched.formUnion(matching.map(\.text))
        return matching.first.map { "is on the skip list ('\($0.text)')" }
    }

    /// The entries of the skip list that have matched no layer so far.
    public var unmatchedSkips: [String] { (skips ?? []).map(\.text).filter { !matched.contains($0) } }

    static let headReason = "output heads stay as they are"

    static func isHead(_ path: String) -> Bool { path == "lm_head" || path.hasSuffix(".lm_head") }
}

extension Module {
    /// What a quantization of this tree leaves as it is unless it is told otherwise: path and reason.
    ///
    /// The output head; modules whose weight another module uses too; the module with the last weight of the tree (a bias behind it makes it an ordinary
    /// one), which is the head under whatever name. As transformers does.
    public var keptByDefault: [String: String] {
        var kept: [String: String] = [:]
        let modules = namedModules()
        let owners = Dictionary(
            grouping: modules.flatMap { entry in entry.module.parameters.map { (entry.path, ObjectIdentifier($0.parameter)) } }, by: \.1)
        if let last = namedParameters().last?.path, last.hasSuffix(".weight") {
            kept[String(last.dropLast(".weight".count))] = "the last layer stays as it is"
        }
        for (path, _) in modules where LayerSelection.isHead(path) { kept[path] = LayerSelection.headReason }
        for paths in owners.values.map({ $0.map(\.0) }) where paths.count > 1 {
            for path in paths { kept[path] = "shares its weight with \(paths.filter { $0 != path }.joined(separator: ", "))" }
        }
        return kept
    }
}
