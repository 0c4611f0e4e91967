internal import BitsTemplate

/// A JSON value that keeps the order of its keys and the text of its numbers.
///
/// What is read and written again without a change comes out as Python's `json.dumps` would write it, so fields that this library does not know
/// survive. Equality looks at numbers' text: `1.0` and `1` differ.
public enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    case number(JSONNumber)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)
}

extension JSONValue {
    /// A number that JSON has; null for NaN and infinities, which it has not.
    package static func number(finite value: Double) -> JSONValue { value.isFinite ? .number(JSONNumber(value)) : .null }
}

/// A number as it is written.
public struct JSONNumber: Sendable, Equatable {
    /// For instance `1e-05`, `6.0`, `NaN`.
    public let text: String

    init(text: String) { self.text = text }

    /// A whole number.
    public init(_ value: Int) { text = String(value) }

    /// A float, with the shortest digits that read back as the same value, as Python prints it: `6.0`, `1e-05`, `1e+16`, `Infinity`.
    public init(_ value: Double) { text = value.pythonText(notANumber: "NaN", infinity: "Infinity") }

    /// The value when it is written as a whole number that fits; nil otherwise.
    public var integer: Int? { Int(text) }

    /// The nearest double.
    public var double: Double {
        switch text {
        case "NaN": .nan
        case "Infinity": .infinity
        case "-Infinity": -.infinity
        default: Double(text) ?? .nan
        }
    }
}

/// A JSON object: keys in order, each once.
public struct JSONObject: Sendable, Equatable {
    public private(set) var keys: [String] = []
    private var values: [String: JSONValue] = [:]

    public init() {}

    /// The value under `key`; nil where there is none. A new key goes to the end; setting nil removes the key.
    public subscript(key: String) -> JSONValue? {
        get { values[key] }
        set {
            if let newValue {
                if values.updateValue(newValue, forKey: key) == nil { keys.append(key) }
            } else if values.removeValue(forKey: key) != nil {
                keys.removeAll { $0 == key }
            }
        }
    }

    public var isEmpty: Bool { keys.isEmpty }

    /// Sets the value under `key`; a new key goes before the first one that sorts after it, which keeps sorted keys sorted.
    public mutating func insert(_ value: JSONValue, forKey key: String) {
        if values.updateValue(value, forKey: key) == nil {
            keys.insert(key, at: keys.firstIndex { key.unicodeScalars.lexicographicallyPrecedes($0.unicodeScalars) } ?? keys.count)
        }
    }

    /// The same object with its keys, and those of the objects in it, in the order of their Unicode scalars, as Python sorts.
    public func sorted() -> JSONObject {
        var result = JSONObject()
        for key in keys.sorted(by: { $0.unicodeScalars.lexicographicallyPrecedes($1.unicodeScalars) }) { result[key] = self[key]?.sorted() }
        return result
    }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        for (key, value) in elements { self[key] = value }
    }
}

extension JSONValue {
    /// The same value with the keys of all objects in order.
    public func sorted() -> JSONValue {
        switch self {
        case .array(let elements): .array(elements.map { $0.sorted() })
        case .object(let object): .object(object.sorted())
        default: self
        }
    }
}

extension JSONValue: ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByStringLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(integerLiteral value: Int) { self = .number(JSONNumber(value)) }
    public init(floatLiteral value: Double) { self = .number(JSONNumber(value)) }
    public init(stringLiteral value: String) { self = .string(value) }
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        var object = JSONObject()
        for (key, value) in elements { object[key] = value }
        self = .object(object)
    }
    public init(nilLiteral: ()) { self = .null }
}
