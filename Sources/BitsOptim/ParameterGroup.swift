public import BitsCore

/// Parameters that share an update rule and its settings.
public struct ParameterGroup {
    public let parameters: [Parameter]
    /// Of the parameters, in their order: for messages, patterns and state files.
    public let names: [String]
    /// Whether the names were given, and are not mere places.
    let hasNames: Bool
    public var rule: any UpdateRule

    /// - Parameter names: one per parameter; nil to call them by their place.
    public init(_ parameters: [Parameter], names: [String]? = nil, rule: any UpdateRule) {
        precondition(names == nil || names?.count == parameters.count, "\(names?.count ?? 0) names for \(parameters.count) parameters")
        self.parameters = parameters
        self.names = names ?? parameters.indices.map { "parameter \($0)" }
        hasNames = names != nil
        self.rule = rule
    }

    /// Parameters with their paths, as `Module.namedParameters()` gives them.
    public init(_ named: [(path: String, parameter: Parameter)], rule: any UpdateRule) {
        self.init(named.map(\.parameter), names: named.map(\.path), rule: rule)
    }
}
