import BitsCore

/// What a property wrapper tells its module.
protocol Declaration {
    var children: [(name: String, module: Module)] { get }
    var parameters: [(name: String, parameter: Parameter)] { get }
    func replaceChild(_ index: Int, with module: Module)
}

extension Declaration {
    var children: [(name: String, module: Module)] { [] }
    var parameters: [(name: String, parameter: Parameter)] { [] }
    func replaceChild(_ index: Int, with module: Module) { preconditionFailure("a parameter has no modules below it") }
}

/// Declares a parameter under its checkpoint name: `@Weight("weight") var weight: Parameter`. Optional parameters may be absent.
@propertyWrapper
public final class Weight<Value>: Declaration {
    private let name: String
    private var stored: Value?

    public init(_ name: String) { self.name = name }

    public var wrappedValue: Value {
        get {
            guard let stored else { preconditionFailure("parameter '\(name)' was read before it was set") }
            return stored
        }
        set { stored = newValue }
    }

    var parameters: [(name: String, parameter: Parameter)] { (stored as? Parameter).map { [(name, $0)] } ?? [] }
}

/// Declares a module below this one under its checkpoint name: `@Child("mlp") var mlp: FeedForward`. Optional modules may be absent.
@propertyWrapper
public final class Child<Value>: Declaration {
    private let name: String
    private var stored: Value?

    public init(_ name: String) { self.name = name }

    public var wrappedValue: Value {
        get {
            guard let stored else { preconditionFailure("module '\(name)' was read before it was set") }
            return stored
        }
        set { stored = newValue }
    }

    var children: [(name: String, module: Module)] { (stored as? Module).map { [(name, $0)] } ?? [] }

    func replaceChild(_ index: Int, with module: Module) {
        guard let value = module as? Value else { preconditionFailure("'\(name)' holds \(Value.self), not \(type(of: module))") }
        stored = value
    }
}

/// Declares a list of modules: `@Children("layers") var layers: [Block]`, with the names `layers.0`, `layers.1`, ...
@propertyWrapper
public final class Children<Element: Module>: Declaration {
    private let name: String
    public var wrappedValue: [Element] = []

    public init(_ name: String) { self.name = name }

    var children: [(name: String, module: Module)] { wrappedValue.enumerated().map { ("\(name).\($0.offset)", $0.element) } }

    func replaceChild(_ index: Int, with module: Module) {
        guard let element = module as? Element else { preconditionFailure("'\(name)' holds \(Element.self), not \(type(of: module))") }
        wrappedValue[index] = element
    }
}
