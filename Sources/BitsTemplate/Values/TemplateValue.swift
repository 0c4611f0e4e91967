/// A value of a template. They behave as Python's do, and none can be changed but namespaces.
package indirect enum TemplateValue {
    /// What is not there, with the sentence that says so when it is used.
    case undefined(String)
    case none
    case bool(Bool)
    case integer(Int)
    case float(Double)
    case string(String)
    case list([TemplateValue])
    case tuple([TemplateValue])
    case dictionary(TemplateDictionary)
    case object(any TemplateObject)
}

/// What has identity: functions, macros, namespaces, loops.
package protocol TemplateObject: AnyObject {
    var typeName: String { get }
    /// nil where there is none of that name.
    func attribute(_ name: String) -> TemplateValue?
}

extension TemplateObject {
    package func attribute(_ name: String) -> TemplateValue? { nil }
}

/// A dictionary that keeps its order.
package struct TemplateDictionary {
    package private(set) var keys: [TemplateValue] = []
    private var values: [TemplateValue: TemplateValue] = [:]

    package init() {}

    package subscript(key: TemplateValue) -> TemplateValue? { values[key] }

    package subscript(key: String) -> TemplateValue? { values[.string(key)] }

    /// A key that is there keeps its place.
    package mutating func set(_ key: TemplateValue, to value: TemplateValue) {
        if values.updateValue(value, forKey: key) == nil { keys.append(key) }
    }

    var items: [(key: TemplateValue, value: TemplateValue)] { keys.map { ($0, values[$0] ?? .none) } }
}

/// What filters like `map` give: elements that can be gone through once.
final class TemplateGenerator: TemplateObject {
    let typeName = "generator"
    private var rest: ArraySlice<TemplateValue>

    init(_ elements: [TemplateValue]) { rest = elements[...] }

    func next() -> TemplateValue? { rest.popFirst() }

    /// All that is left.
    func take() -> [TemplateValue] {
        defer { rest = [] }
        return Array(rest)
    }
}

/// Values that a template may assign to: `{% set ns.count = 1 %}`.
final class TemplateNamespace: TemplateObject {
    let typeName = "Namespace"
    private(set) var values: [String: TemplateValue] = [:]

    func attribute(_ name: String) -> TemplateValue? { values[name] }

    func set(_ name: String, to value: TemplateValue) throws(TemplateError) {
        guard !name.hasPrefix("_") else { throw TemplateError(.failed, "a namespace takes no name that begins with '_', as '\(name)' does") }
        values[name] = value
    }
}

/// A function that templates call.
final class TemplateFunction: TemplateObject {
    typealias Body = (Interpreter, CallArguments) throws(TemplateError) -> TemplateValue

    let typeName = "function"
    let name: String
    let body: Body

    init(_ name: String, _ body: @escaping Body) {
        self.name = name
        self.body = body
    }
}

extension TemplateValue {
    /// The type's name as Python has it.
    var typeName: String {
        switch self {
        case .undefined: "Undefined"
        case .none: "None"
        case .bool: "bool"
        case .integer: "int"
        case .float: "float"
        case .string: "str"
        case .list: "list"
        case .tuple: "tuple"
        case .dictionary: "dict"
        case .object(let object): object.typeName
        }
    }

    /// What Python's `bool` says.
    var isTrue: Bool {
        switch self {
        case .undefined, .none: false
        case .bool(let value): value
        case .integer(let value): value != 0
        case .float(let value): value != 0
        case .string(let text): !text.isEmpty
        case .list(let elements), .tuple(let elements): !elements.isEmpty
        case .dictionary(let dictionary): !dictionary.keys.isEmpty
        case .object: true
        }
    }

    /// The value as a number, where it is one; Python counts booleans among them.
    var number: TemplateNumber? {
        switch self {
        case .bool(let value): .integer(value ? 1 : 0)
        case .integer(let value): .integer(value)
        case .float(let value): .float(value)
        default: nil
        }
    }

    /// What is gone through, where that is possible: elements, characters, keys; nothing of what is not there.
    var elements: [TemplateValue]? {
        switch self {
        case .undefined: []
        case .string(let text): text.unicodeScalars.map { .string(String($0)) }
        case .list(let elements), .tuple(let elements): elements
        case .dictionary(let dictionary): dictionary.keys
        case .object(let generator as TemplateGenerator): generator.take()
        default: nil
        }
    }

    /// What Python's `len` gives, where it gives anything.
    var count: Int? {
        switch self {
        case .undefined: 0
        case .string(let text): text.unicodeScalars.count
        case .list(let elements), .tuple(let elements): elements.count
        case .dictionary(let dictionary): dictionary.keys.count
        default: nil
        }
    }
}
