/// What is particular about the files of a model family, beyond the names that its modules declare.
///
/// ```swift
/// var names = CheckpointNames()
/// names.renamed = ["LayerNorm.gamma": "LayerNorm.weight"]
/// names.transposed = ["attn.c_attn"]
/// ```
public struct CheckpointNames: Sendable, Equatable {
    /// Entries that may be there and are not read, see ``ModulePattern``; no other entry is passed over in silence.
    public var unused: [String] = []
    /// Entries that may be missing, see ``ModulePattern``: the parameter is zero then.
    public var optional: [String] = []
    /// Ends of names that were used before, and what they are now.
    public var renamed: [String: String] = [:]
    /// The beginning of names that a checkpoint may leave out: `transformer.`.
    public var optionalPrefix = ""
    /// What a checkpoint may put before all names.
    public var addedPrefix = ""
    /// Entries that stand for several layers: a checkpoint that has them is read as if each layer had its own.
    public var stacked: [StackedWeights] = []
    /// Linear layers whose weight lies transposed, [K, N], where it is not quantized; see ``ModulePattern``. Reference: transformers' `Conv1D`.
    public var transposed: [String] = []

    public init() {}

    /// The names under which a checkpoint may have the entry that the model calls `name`, its own first.
    public func candidates(_ name: String) -> [String] {
        var all = [name]
        for (old, now) in renamed.sorted(by: { $0.key < $1.key }) where name.hasSuffix(now) {
            all.append(name.dropLast(now.count) + old)
        }
        if !optionalPrefix.isEmpty, name.hasPrefix(optionalPrefix) { all += all.map { String($0.dropFirst(optionalPrefix.count)) } }
        if !addedPrefix.isEmpty { all += all.map { addedPrefix + $0 } }
        return all
    }

    /// Takes what `other` says of the entries of another part of the model.
    public mutating func merge(_ other: CheckpointNames) {
        unused += other.unused
        optional += other.optional
        transposed += other.transposed
        stacked += other.stacked.filter { !stacked.contains($0) }
        renamed.merge(other.renamed) { own, _ in own }
    }

    /// Whether the weight of the layer at `path` lies transposed.
    public func isTransposed(_ path: String) -> Bool { CheckpointNames.match(transposed, path) }

    /// Whether the model can do without the entry.
    public func isOptional(_ name: String) -> Bool { CheckpointNames.match(optional, name) }

    /// Whether the entry may be there without being read.
    public func isUnused(_ name: String) -> Bool { CheckpointNames.match(unused, name) }

    private static func match(_ patterns: [String], _ name: String) -> Bool { patterns.contains { ModulePattern($0).matches(name) } }
}
