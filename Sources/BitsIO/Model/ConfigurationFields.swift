public import BitsCore

/// A type that a configuration's field can be read as.
public protocol ConfigurationValue {
    /// What a value looks like, in words for errors: `a whole number`.
    static var expectation: String { get }
    init?(_ json: JSONValue)
}

/// The fields of a configuration file, read by name and type.
///
/// A field that is null counts as absent. Errors name the file, the field, what was expected and what is there.
public struct ConfigurationFields: Sendable, Equatable {
    /// All fields, also those that nothing here reads.
    public var object: JSONObject
    /// For errors: the file.
    public let path: String
    private let prefix: String

    public init(_ object: JSONObject, path: String) { self.init(object, path: path, prefix: "") }

    private init(_ object: JSONObject, path: String, prefix: String) {
        self.object = object
        self.path = path
        self.prefix = prefix
    }

    /// Reads a JSON file that must hold an object.
    public init(_ file: MappedFile) throws(ModelFileError) {
        let value = try JSONValue(file)
        guard case .object(let object) = value else { throw .malformed(path: file.path, "holds \(value.kind); an object was expected") }
        self.init(object, path: file.path)
    }

    /// Whether the field is there and not null.
    public func contains(_ key: String) -> Bool { !(object[key] ?? .null).isNull }

    /// The field's value; nil when it is absent.
    ///
    /// - Throws: ``ModelFileError/malformed(path:_:)`` when it has another type.
    public func optional<T: ConfigurationValue>(_ key: String, as type: T.Type = T.self) throws(ModelFileError) -> T? {
        guard let json = object[key], !json.isNull else { return nil }
        guard let value = T(json) else { throw error("needs \(T.expectation) as '\(prefix)\(key)'; it has \(json.kind)") }
        return value
    }

    /// The field's value, or `fallback` when it is absent.
    public func value<T: ConfigurationValue>(_ key: String, default fallback: T) throws(ModelFileError) -> T {
        try optional(key) ?? fallback
    }

    /// The field's value.
    ///
    /// - Throws: ``ModelFileError/malformed(path:_:)`` also when it is absent.
    public func require<T: ConfigurationValue>(_ key: String, as type: T.Type = T.self) throws(ModelFileError) -> T {
        guard let value = try optional(key, as: type) else {
            throw error("has no '\(prefix)\(key)'; \(T.expectation) is needed there")
        }
        return value
    }

    /// A whole number of at least 1.
    public func requireCount(_ key: String) throws(ModelFileError) -> Int {
        try checkedCount(key, try require(key, as: Int.self))
    }

    /// A whole number of at least 1, or `fallback` when it is absent.
    public func count(_ key: String, default fallback: Int) throws(ModelFileError) -> Int {
        try checkedCount(key, try value(key, default: fallback))
    }

    private func checkedCount(_ key: String, _ value: Int) throws(ModelFileError) -> Int {
        guard value >= 1, value <= 1 << 40 else { throw error("needs a whole number from 1 as '\(prefix)\(key)'; it has \(value)") }
        return value
    }

    /// A finite number above 0.
    public func requirePositive(_ key: String) throws(ModelFileError) -> Float { try checkedPositive(key, try require(key)) }

    /// A finite number above 0, or `fallback` when it is absent.
    public func positive(_ key: String, default fallback: Float) throws(ModelFileError) -> Float {
        try checkedPositive(key, try value(key, default: fallback))
    }

    private func checkedPositive(_ key: String, _ value: Float) throws(ModelFileError) -> Float {
        guard value > 0, value.isFinite else { throw error("needs a finite number above 0 as '\(prefix)\(key)'; it has \(value)") }
        return value
    }

    /// The fields of the object in the field `key`; nil when it is absent.
    public func section(_ key: String) throws(ModelFileError) -> ConfigurationFields? {
        guard let object = try optional(key, as: JSONObject.self) else { return nil }
        return ConfigurationFields(object, path: path, prefix: "\(prefix)\(key).")
    }

    /// The fields of each object in the list under `key`.
    public func sections(_ key: String) throws(ModelFileError) -> [ConfigurationFields] {
        let objects = try require(key, as: [JSONObject].self)
        return objects.enumerated().map { ConfigurationFields($1, path: path, prefix: "\(prefix)\(key)[\($0)].") }
    }

    /// An error about this file, for checks that span fields.
    public func error(_ reason: String) -> ModelFileError { .malformed(path: path, reason) }
}

extension JSONValue {
    var isNull: Bool { self == .null }
}

extension Int: ConfigurationValue {
    public static var expectation: String { "a whole number" }
    public init?(_ json: JSONValue) {
        guard case .number(let number) = json, let value = number.integer else { return nil }
        self = value
    }
}

extension Int32: ConfigurationValue {
    public static var expectation: String { "a whole number" }
    public init?(_ json: JSONValue) {
        guard let value = Int(json) else { return nil }
        self.init(exactly: value)
    }
}

extension Double: ConfigurationValue {
    public static var expectation: String { "a number" }
    public init?(_ json: JSONValue) {
        guard case .number(let number) = json else { return nil }
        self = number.double
    }
}

extension Float: ConfigurationValue {
    public static var expectation: String { "a number" }
    public init?(_ json: JSONValue) {
        guard let value = Double(json) else { return nil }
        self = Float(value)
    }
}

extension Bool: ConfigurationValue {
    public static var expectation: String { "true or false" }
    public init?(_ json: JSONValue) {
        guard case .bool(let value) = json else { return nil }
        self = value
    }
}

extension String: ConfigurationValue {
    public static var expectation: String { "a string" }
    public init?(_ json: JSONValue) {
        guard case .string(let value) = json else { return nil }
        self = value
    }
}

extension JSONObject: ConfigurationValue {
    public static var expectation: String { "an object" }
    public init?(_ json: JSONValue) {
        guard case .object(let value) = json else { return nil }
        self = value
    }
}

extension Array: ConfigurationValue where Element: ConfigurationValue {
    public static var expectation: String { "a list, each entry \(Element.expectation)" }
    public init?(_ json: JSONValue) {
        guard case .array(let elements) = json else { return nil }
        let values = elements.compactMap { Element($0) }
        guard values.count == elements.count else { return nil }
        self = values
    }
}
