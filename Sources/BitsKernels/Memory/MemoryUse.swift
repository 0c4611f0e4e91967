import BitsSystem

/// Bytes of a device by what they are used for.
public struct MemoryUse: Sendable, Equatable {
    /// By the raw values of the categories.
    private var byteCounts = InlineArray<8, Int>(repeating: 0)

    public init() {}

    public subscript(category: MemoryCategory) -> Int {
        get { byteCounts[Int(category.rawValue)] }
        set { byteCounts[Int(category.rawValue)] = newValue }
    }

    public var total: Int {
        var total = 0
        for index in byteCounts.indices { total += byteCounts[index] }
        return total
    }

    public static func == (a: MemoryUse, b: MemoryUse) -> Bool { MemoryCategory.allCases.allSatisfy { a[$0] == b[$0] } }
}

extension MemoryUse: ExpressibleByDictionaryLiteral {
    public init(dictionaryLiteral elements: (MemoryCategory, Int)...) {
        for (category, byteCount) in elements { self[category] += byteCount }
    }
}

extension MemoryUse: CustomStringConvertible {
    /// `weights 5.6 GB, activations 1.2 GB`; `nothing` where there is none.
    public var description: String {
        let parts = MemoryCategory.allCases.filter { self[$0] > 0 }.map { "\($0.name) \(ByteCount(self[$0]))" }
        return parts.isEmpty ? "nothing" : parts.joined(separator: ", ")
    }
}
