public import BitsCore
public import BitsQuant

/// Where a model's weights come from: a checkpoint, a closure, a random initialization.
public protocol WeightSource {
    /// The names of all entries, sorted; nil where the source does not know them.
    var names: [String]? { get }
    /// What is known of the entry `name` before it is read; nil where there is none.
    func entry(_ name: String) throws -> WeightEntry?
    /// The entry called `name`; nil where there is none.
    func tensor(_ name: String, on device: Device) throws -> Tensor?
    /// Says that the entry will not be read again, nor its memory: what was made of it is elsewhere.
    func release(_ name: String)
}

/// Entries that a closure gives.
final class ClosureSource: WeightSource {
    private let give: (String) throws -> Tensor?
    /// Entries that were looked at and not yet taken.
    private var ahead: [String: Tensor] = [:]

    init(_ give: @escaping (String) throws -> Tensor?) { self.give = give }

    var names: [String]? { nil }

    func entry(_ name: String) throws -> WeightEntry? {
        if ahead[name] == nil { ahead[name] = try give(name) }
        return ahead[name].map { WeightEntry($0) }
    }

    func tensor(_ name: String, on device: Device) throws -> Tensor? { try (ahead.removeValue(forKey: name) ?? give(name))?.moved(to: device) }

    func release(_ name: String) { ahead[name] = nil }
}
