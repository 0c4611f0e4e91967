import BitsCore
import BitsQuant

/// What a property wrapper tells its module.
protocol Declaration {
    var children: [(name: String, module: Module)] { get }
    var parameters: [(name: String, parameter: Parameter)] { get }
    var quantized: [(name: String, tensor: any QuantizedTensor)] { get }
    func replaceChild(_ index: Int, with module: Module)
    /// Whether `module` is of the type that is declared.
    func accepts(_ module: Module) -> Bool
    /// Puts what is declared on `device`, modules left out.
    func move(to device: Device) throws(DeviceError)
    /// What a checkpoint holds of what is declared, modules left out: names within the module.
    func entries() throws(DeviceError) -> [(name: String, tensor: Tensor)]
    /// Takes what is declared from `entry`, modules left out.
    func load(_ entry: (String) throws -> Tensor?) throws
}

extension Declaration {
    var children: [(name: String, module: Module)] { [] }
    var parameters: [(name: String, parameter: Parameter)] { [] }
    var quantized: [(name: String, tensor: any QuantizedTensor)] { [] }
    func replaceChild(_ index: Int, with module: Module) { preconditionFailure("a parameter has no modules below it") }
    func accepts(_ module: Module) -> Bool { false }
    func move(to device: Device) throws(DeviceError) { for (_, parameter) in parameters { try parameter.move(to: device) } }
    func entries() throws(DeviceError) -> [(name: String, tensor: Tensor)] {
        var result: [(name: String, tensor: Tensor)] = []
        for (name, parameter) in parameters { result += try parameter.quantized?.entries(named: name) ?? [(name, parameter.value)] }
        return result
    }
    func load(_ entry: (String) throws -> Tensor?) throws { for (name, parameter) in parameters { try parameter.load(name, entry) } }
}

/// A name in checkpoints and what stands under it, once it has been set.
private struct DeclaredPlace<Value> {
    let name: String
    private let kind: String
    var held: Value?

    init(_ name: String, of kind: String) {
        self.name = name
        self.kind = kind
    }

    var value: Value {
        get {
            guard let held else { preconditionFailure("\(kind) '\(name)' was read before it was set") }
            return held
        }
        set { held = newValue }
    }
}

/// Declares a parameter under its checkpoint name: `@Weight("weight") var weight: Parameter`. Optional parameters may be absent.
@propertyWrapper
public final class Weight<Value>: Declaration {
    private var place: DeclaredPlace<Value>

    public init(_ name: String) { place = DeclaredPlace(name, of: "parameter") }

    public var wrappedValue: Value {
        get { place.value }
        set { place.value = newValue }
    }

    var parameters: [(name: String, parameter: Parameter)] { (place.held as? Parameter).map { [(place.name, $0)] } ?? [] }
}

/// Declares a quantized weight under its checkpoint name: `@Quantized("weight") var weight: FourBitTensor`. It is saved, loaded and moved with its
/// module, and never trained. Optional weights may be absent.
@propertyWrapper
public final class Quantized<Value>: Declaration {
    private var place: DeclaredPlace<Value>

    public init(_ name: String) { place = DeclaredPlace(name, of: "quantized weight") }

    public var wrappedValue: Value {
        get { place.value }
        set { place.value = newValue }
    }

    var quantized: [(name: String, tensor: any QuantizedTensor)] { (place.held as? any QuantizedTensor).map { [(place.name, $0)] } ?? [] }

    func move(to device: Device) throws(DeviceError) {
        for (_, tensor) in quantized { place.held = try tensor.moved(to: device) as? Value }
    }

    func entries() throws(DeviceError) -> [(name: String, tensor: Tensor)] {
        var result: [(name: String, tensor: Tensor)] = []
        for (name, tensor) in quantized { result += try tensor.entries(named: name) }
        return result
    }

    func load(_ entry: (String) throws -> Tensor?) throws {
        for (name, tensor) in quantized { place.held = try tensor.loaded(name, entry) as? Value }
    }
}

/// Declares a module below this one under its checkpoint name: `@Child("mlp") var mlp: FeedForward`. Optional modules may be absent.
@propertyWrapper
public final class Child<Value>: Declaration {
    private var place: DeclaredPlace<Value>

    public init(_ name: String) { place = DeclaredPlace(name, of: "module") }

    public var wrappedValue: Value {
        get { place.value }
        set { place.value = newValue }
    }

    /// The declaration itself: `$embedding` is where an embedding is, whichever it is.
    public var projectedValue: Child<Value> { self }

    var children: [(name: String, module: Module)] { (place.held as? Module).map { [(place.name, $0)] } ?? [] }

    func replaceChild(_ index: Int, with module: Module) {
        guard let value = module as? Value else { preconditionFailure("'\(place.name)' holds \(Value.self), not \(type(of: module))") }
        place.held = value
    }

    func accepts(_ module: Module) -> Bool { module is Value }
}

/// Declares a list of modules: `@Children("layers") var layers: [Block]`, with the names `layers.0`, `layers.1`, ... A list of `any` protocol can hold
/// modules of several kinds.
@propertyWrapper
public final class Children<Element>: Declaration {
    private let name: String
    public var wrappedValue: [Element] = []

    public init(_ name: String) { self.name = name }

    var children: [(name: String, module: Module)] {
        wrappedValue.enumerated().map { index, element in
            guard let module = element as? Module else { preconditionFailure("'\(name).\(index)' is \(type(of: element)), which is no module") }
            return ("\(name).\(index)", module)
        }
    }

    func replaceChild(_ index: Int, with module: Module) {
        guard let element = module as? Element else { preconditionFailure("'\(name)' holds \(Element.self), not \(type(of: module))") }
        wrappedValue[index] = element
    }

    func accepts(_ module: Module) -> Bool { module is Element }
}
