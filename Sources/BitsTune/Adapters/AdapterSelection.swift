import BitsCore
import BitsModels
import BitsNN

/// The modules and parameters of a model that a configuration names, as PEFT chooses them.
struct AdapterSelection {
    /// What gets an adapter, with its path.
    let adapted: [(path: String, module: Module)]
    /// What is trained whole, by its name in the adapter's file.
    let whole: [(name: String, parameter: Parameter, isCopied: Bool)]
    /// The heads among the modules that are trained whole whose weight is another module's.
    let tiedHeads: [String]

    init(_ configuration: LoRAConfiguration, for model: TaskModel) throws(AdapterError) {
        let modules = model.modulesOutsideAdapters
        let isTarget = try AdapterSelection.targets(configuration, heads: Set(model.outputHeads.map { ObjectIdentifier($0) }))
        adapted = modules.filter { isTarget($0.path, $0.module) }
        guard !adapted.isEmpty else { throw .nothingToAdapt(configuration.targets) }

        var (whole, tied, seen): ([(String, Parameter, Bool)], [String], Set<ObjectIdentifier>) = ([], [], [])
        let saved = modules.filter { entry in !entry.path.isEmpty && configuration.modulesToSave.contains { entry.path.hasSuffix($0) } }
        if saved.isEmpty && !configuration.modulesToSave.isEmpty { throw .nothingToSave(configuration.modulesToSave) }
        for (path, module) in saved {
            if let head = module as? TiedLinear {
                tied.append(path)
                whole.append(("\(path).weight", Parameter.placeholder([head.outFeatures, head.inFeatures]), true))
            }
            for (place, part) in module.namedModules(path) where !part.quantizedWeights.isEmpty { throw .quantized(path: place) }
            for (place, parameter) in module.namedParameters(path) where seen.insert(ObjectIdentifier(parameter)).inserted {
                whole.append((place, parameter, true))
            }
        }
        let paths = Set(adapted.map(\.path))
        for (place, module) in model.namedModules() where configuration.biases != .none {
            let path = place.split(separator: ".").filter { $0 != "base_layer" }.joined(separator: ".")
            guard configuration.biases == .all || paths.contains(path), !(module is any LoRALayer) else { continue }
            for (name, parameter) in module.parameters where name == "bias" && seen.insert(ObjectIdentifier(parameter)).inserted {
                whole.append(("\(path).\(paths.contains(path) ? "base_layer." : "")bias", parameter, false))
            }
        }
        (self.whole, tiedHeads) = (whole, tied)
    }

    /// Whether a module gets an adapter.
    private static func targets(
        _ configuration: LoRAConfiguration, heads: Set<ObjectIdentifier>
    ) throws(AdapterError) -> (String, Module) -> Bool {
        let isExcluded = try configuration.excluded?.lookup() ?? { _ in false }
        let saved = try configuration.modulesToSave.map { name throws(AdapterError) in
            try ModuleExpression("(?:^|.*\\.)\(name)(?:$|\\..*)", shownAs: name)
        }
        func isFree(_ path: String) -> Bool { !isExcluded(path) && !saved.contains { $0.matches(path) } }
        switch configuration.targets {
        case .allLinear:
            return { path, module in module is any LinearLayer && !heads.contains(ObjectIdentifier(module)) && isFree(path) }
        case .matching(let text):
            let isMeant = try ModuleNames.matching(text).lookup()
            return { path, _ in isMeant(path) && isFree(path) }
        case .named(let names):
            let isMeant = try ModuleNames.named(names).lookup()
            let numbers = try BlockNumbers(configuration.blockNames)
            return { path, _ in
                guard isMeant(path), isFree(path) else { return false }
                guard let blocks = configuration.blocks, !blocks.isEmpty, !names.contains(path) else { return true }
                return numbers.number(in: path).map(blocks.contains) ?? false
            }
        }
    }
}

extension Module {
    /// The modules of the tree with their paths; layers of adapters as one, without what is inside.
    var modulesOutsideAdapters: [(path: String, module: Module)] {
        var inside: String?
        return namedModules().filter { path, module in
            if let inside, path.hasPrefix(inside) { return false }
            if module is any LoRALayer { inside = path + "." }
            return true
        }
    }
}
