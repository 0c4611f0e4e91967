public import BitsCore

/// Overrides that are decided before there is an optimizer; later ones are laid over earlier ones.
///
/// ```swift
/// var overrides = ParameterOverrides()
/// overrides.add(embedding, \.weight, ParameterOverride(bits: .thirtyTwo))
/// overrides.add(named: "*.bias", ParameterOverride(weightDecay: 0))
/// let optimizer = try Optimizer(groups: groups, moments: .blockwise8bit(), overrides: overrides)
/// ```
/// They count for the optimizers that they are given to, and no other. Reference: `GlobalOptimManager`.
public struct ParameterOverrides {
    enum Target {
        case parameters([Parameter])
        /// Names that match a pattern.
        case names(String)
    }

    private(set) var entries: [(target: Target, override: ParameterOverride)] = []

    public init() {}

    /// Lets `parameter` do as `override` says.
    public mutating func add(_ parameter: Parameter, _ override: ParameterOverride) { add([parameter], override) }

    /// Lets each of `parameters` do as `override` says. Reference: `override_config`.
    public mutating func add(_ parameters: [Parameter], _ override: ParameterOverride) { entries.append((.parameters(parameters), override)) }

    /// Lets one parameter of a module do as `override` says. Reference: `register_module_override`.
    public mutating func add<Owner: AnyObject>(_ module: Owner, _ parameter: KeyPath<Owner, Parameter>, _ override: ParameterOverride) {
        add(module[keyPath: parameter], override)
    }

    /// Lets the parameters whose names match `pattern` do as `override` says; in the pattern, `*` stands for anything.
    public mutating func add(named pattern: String, _ override: ParameterOverride) { entries.append((.names(pattern), override)) }
}

extension Optimizer {
    /// Lays all of `overrides` over those that there are, or none if one cannot be.
    ///
    /// - Throws: as ``override(_:_:)-(Parameter,_)`` and ``override(named:_:)``; nothing is changed then.
    public func override(_ overrides: ParameterOverrides) throws(OptimizerError) {
        let before = self.overrides
        do throws(OptimizerError) {
            for (target, override) in overrides.entries {
                switch target {
                case .parameters(let parameters): try self.override(parameters, override)
                case .names(let pattern): try self.override(named: pattern, override)
                }
            }
        } catch {
            self.overrides = before
            throw error
        }
    }
}
