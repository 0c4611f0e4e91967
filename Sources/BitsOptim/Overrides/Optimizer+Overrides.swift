public import BitsCore

/// Overrides belong to the parameter and to this optimizer: no other optimizer sees them. Later ones are laid over earlier ones. They count from the next
/// step on; ``ParameterOverride/bits`` and ``ParameterOverride/minimum8bitCount`` until the parameter has its moments.
extension Optimizer {
    /// Lets `parameter` do as `override` says.
    ///
    /// - Throws: ``OptimizerError`` when the parameter is not of this optimizer, a setting is out of range or not one of the rule's, or the moments
    ///   would have to change; nothing is changed then.
    public func override(_ parameter: Parameter, _ override: ParameterOverride) throws(OptimizerError) {
        try self.override([parameter], override)
    }

    /// Lets each of `parameters` do as `override` says, or none if one cannot.
    ///
    /// - Throws: as ``override(_:_:)-(Parameter,_)``.
    public func override(_ parameters: [Parameter], _ override: ParameterOverride) throws(OptimizerError) {
        var changed = overrides
        for parameter in parameters {
            guard let member = members[ObjectIdentifier(parameter)] else {
                throw .overrideMatchesNothing("a parameter of shape \(parameter.shape) that is not in this optimizer")
            }
            let merged = (changed[ObjectIdentifier(parameter)] ?? ParameterOverride()).merged(with: override)
            _ = try settings(of: member, merged)
            if states[ObjectIdentifier(parameter)] != nil, override.bits != nil || override.minimum8bitCount != nil {
                throw .unsupported("\(member.name) has its moments already; override their bits before its first step")
            }
            changed[ObjectIdentifier(parameter)] = merged
        }
        overrides = changed
    }

    /// Lets the parameters whose names match `pattern` do as `override` says; in the pattern, `*` stands for anything.
    ///
    /// - Throws: ``OptimizerError/overrideMatchesNothing(_:)``, else as ``override(_:_:)-(Parameter,_)``.
    public func override(named pattern: String, _ override: ParameterOverride) throws(OptimizerError) {
        let glob = NamePattern(pattern)
        let matching = groups.flatMap { zip($0.parameters, $0.names).filter { glob.matches($1) }.map(\.0) }
        guard !matching.isEmpty else { throw .overrideMatchesNothing("the name pattern '\(pattern)'") }
        try self.override(matching, override)
    }

    /// Lets one parameter of a module do as `override` says: `override(embedding, \.weight, ParameterOverride(bits: .thirtyTwo))`.
    ///
    /// - Throws: as ``override(_:_:)-(Parameter,_)``. Reference: `register_module_override`.
    public func override<Owner: AnyObject>(
        _ module: Owner, _ parameter: KeyPath<Owner, Parameter>, _ override: ParameterOverride
    ) throws(OptimizerError) {
        try self.override(module[keyPath: parameter], override)
    }

    /// What 32-bit moments for some parameters cost.
    public struct Upgrade: Sendable, Equatable {
        /// The names of the parameters.
        public internal(set) var names: [String]
        /// Bytes more than this optimizer's moments would take without it, be it this call's wish or the parameter's own.
        public internal(set) var extraByteCount: Int
    }

    /// Keeps 32-bit moments for embeddings, whose gradients differ most between rows: parameters under the usual names of word, position and token-type
    /// embeddings. Those that are not there are skipped.
    ///
    /// - Returns: which were found and what it costs.
    /// - Throws: ``OptimizerError/unnamedParameters`` where no parameter has a name, else as ``override(_:_:)-(Parameter,_)``.
    @discardableResult
    public func keep32BitEmbeddings(named names: [String] = Optimizer.embeddingNames) throws(OptimizerError) -> Upgrade {
        guard groups.contains(where: \.hasNames) else { throw .unnamedParameters }
        let found = groups.flatMap { zip($0.parameters, $0.names) }.filter { _, name in
            name.split(separator: ".").contains { names.contains(String($0)) }
        }
        return try keep32BitMoments(of: found.map(\.0))
    }

    /// Keeps 32-bit moments for `parameters`.
    ///
    /// - Returns: their names and what it costs.
    /// - Throws: as ``override(_:_:)-(Parameter,_)``.
    @discardableResult
    public func keep32BitMoments(of parameters: [Parameter]) throws(OptimizerError) -> Upgrade {
        let before = overrides
        try override(parameters, ParameterOverride(bits: .thirtyTwo))
        var upgrade = Upgrade(names: [], extraByteCount: 0)
        for member in parameters.compactMap({ members[ObjectIdentifier($0)] }) {
            let id = ObjectIdentifier(member.parameter)
            // What it would take without any wish for 32 bits: embeddings have that wish themselves.
            var otherwise = before[id] ?? ParameterOverride()
            if otherwise.bits == .thirtyTwo { otherwise.bits = nil }
            let saved = moments.applying(otherwise).byteCountSaved(member.parameter.count)
            upgrade.names.append(member.name)
            upgrade.extraByteCount += saved * (try settings(of: member, overrides[id]).rule.moments.count)
        }
        return upgrade
    }

    /// Parts of the names of embeddings in the families of models that are loaded here and in bitsandbytes' guides.
    public static let embeddingNames = [
        "word_embeddings", "position_embeddings", "token_type_embeddings", "embed_tokens", "embed_positions", "wte", "wpe", "tok_embeddings",
    ]
}
