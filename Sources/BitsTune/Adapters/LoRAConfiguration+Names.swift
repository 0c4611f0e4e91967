import BitsCore
import BitsModels
import BitsNN

extension LoRAConfiguration {
    /// Refuses names, expressions and numbers that match nothing in `model`: a slip would be passed over in silence.
    ///
    /// For adapters that are made. Those that are read follow PEFT, for which it is enough that one target matches, as its lists may serve several models. That
    /// none does is for ``AdapterSelection`` to say.
    func checkNames(in model: TaskModel) throws(AdapterError) {
        let paths = model.modulesOutsideAdapters.map(\.path)
        let known = Set(paths.compactMap { $0.split(separator: ".").last.map(String.init) }.filter { Int($0) == nil }).sorted()
        func check(_ setting: String, _ names: [String], among known: [String], isAllThere: Bool = false, _ isThere: (String) -> Bool)
            throws(AdapterError)
        {
            let unmatched = names.filter { !isThere($0) }
            if unmatched.isEmpty || unmatched.count == names.count && !isAllThere { return }
            throw .unmatched(setting: setting, names: unmatched, known: known)
        }
        if case .named(let names) = targets {
            try check("target_modules", names, among: known) { name in paths.contains { $0 == name || $0.hasSuffix(".\(name)") } }
            let (isTarget, numbers) = (try ModuleNames.named(names).lookup(), try BlockNumbers(blockNames))
            let blocks = Set(paths.filter(isTarget).compactMap { numbers.number(in: $0) })
            try check("layers_to_transform", (self.blocks ?? []).map(String.init), among: blocks.sorted().map(String.init)) { number in
                blocks.contains { String($0) == number }
            }
        }
        switch excluded {
        case .named(let names)?:
            try check("exclude_modules", names, among: known, isAllThere: true) { name in paths.contains { $0 == name || $0.hasSuffix(".\(name)") } }
        case .matching(let text)?:
            let expression = try ModuleExpression(text)
            try check("exclude_modules", [text], among: known, isAllThere: true) { _ in paths.contains(where: expression.matches) }
        case nil: break
        }
        try check("modules_to_save", modulesToSave, among: known) { name in paths.contains { $0.hasSuffix(name) } }
        try check("rank_pattern", try rankPattern.unmatched(in: paths), among: known, isAllThere: true) { _ in false }
        try check("alpha_pattern", try alphaPattern.unmatched(in: paths), among: known, isAllThere: true) { _ in false }
    }
}
