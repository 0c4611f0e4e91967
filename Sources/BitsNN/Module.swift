public import BitsCore

/// A part of a model: a tree of modules with parameters at its leaves.
///
/// Parameters and children register by being declared with ``Weight``, ``Child`` and ``Children``; a checkpoint's key is the path of their names.
/// Plain properties are never trained nor saved. Not `Sendable`: one task owns a model.
open class Module {
    public init() {}

    /// The modules directly below, with their names, in the order of declaration; an element of a list is named `list.index`.
    public var children: [(name: String, module: Module)] { declarations.flatMap(\.children) }

    /// The parameters of this module alone, with their names, in the order of declaration.
    public var parameters: [(name: String, parameter: Parameter)] { declarations.flatMap(\.parameters) }

    /// The layers that give the tree's answer, which a quantization leaves as they are unless it is told otherwise; by default those of the modules below.
    open var outputHeads: [any LinearLayer] { children.flatMap(\.module.outputHeads) }

    /// Those of the output heads that a reader leaves as they are where a checkpoint does not list what was left: heads over the vocabulary. Transformers
    /// has no such rule for a classifier. By default all.
    open var impliedHeads: [any LinearLayer] { outputHeads }

    /// The layers that choose which others compute: a quantization leaves them as it leaves heads, and a pass cannot be replayed, as the host looks at their
    /// choice. By default those of the modules below.
    open var routers: [any LinearLayer] { children.flatMap(\.module.routers) }

    /// What is particular about the names in the files of a model like this one.
    open var checkpointNames: CheckpointNames { CheckpointNames() }

    /// Bytes of what this module alone makes of its weights and keeps beside them.
    var copyByteCount: Int { 0 }

    /// Every module of the tree with its path, this one first (path "").
    public func namedModules(_ path: String = "") -> [(path: String, module: Module)] {
        [(path, self)] + children.flatMap { $0.module.namedModules(path.isEmpty ? $0.name : "\(path).\($0.name)") }
    }

    /// Every parameter of the tree with its path; a parameter that two modules share appears at each.
    public func namedParameters(_ path: String = "") -> [(path: String, parameter: Parameter)] {
        namedModules(path).flatMap { entry in
            entry.module.parameters.map { (entry.path.isEmpty ? $0.name : "\(entry.path).\($0.name)", $0.parameter) }
        }
    }

    /// The trainable parameters of the tree, each once.
    public func trainableParameters() -> [Parameter] {
        var seen = Set<ObjectIdentifier>()
        return namedParameters().map(\.parameter).filter { $0.isTrainable && seen.insert(ObjectIdentifier($0)).inserted }
    }

    /// Makes every parameter of the tree trainable, or none.
    public func setTrainable(_ isTrainable: Bool) {
        for (_, parameter) in namedParameters() { parameter.isTrainable = isTrainable }
    }

    /// Asks `replacement` for each module below this one, with its path, and puts what it answers in the module's place; nil keeps it.
    ///
    /// A module that was put in place is not visited. The answer must be of the type that the declaration holds.
    public func replaceModules(_ path: String = "", _ replacement: (String, Module) throws -> Module?) rethrows {
        try replaceModules(path) { path, module, _ in try replacement(path, module) }
    }

    /// The same, where the answer may depend on what the declaration accepts.
    package func replaceModules(_ path: String, _ replacement: (String, Module, _ fits: (Module) -> Bool) throws -> Module?) rethrows {
        for declaration in declarations {
            for (index, child) in declaration.children.enumerated() {
                let childPath = path.isEmpty ? child.name : "\(path).\(child.name)"
                if let module = try replacement(childPath, child.module, declaration.accepts) {
                    declaration.replaceChild(index, with: module)
                } else {
                    try child.module.replaceModules(childPath, replacement)
                }
            }
        }
    }

    /// What this module declares, classes above its own first: always the same, and reflection takes milliseconds to find it in all modules of a model.
    private(set) lazy var declarations: [any Declaration] = {
        var result: [any Declaration] = []
        var mirror: Mirror? = Mirror(reflecting: self)
        while let current = mirror {
            result.insert(contentsOf: current.children.compactMap { $0.value as? any Declaration }, at: 0)
            mirror = current.superclassMirror
        }
        return result
    }()
}
