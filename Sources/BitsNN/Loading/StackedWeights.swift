/// An entry that holds the weights of several layers of one shape, [E, P N, K]: of each of E parts P matrices [N, K], one after the other.
///
/// ```swift
/// StackedWeights("experts.gate_up_proj", parts: ["experts.*.gate_proj.weight", "experts.*.up_proj.weight"])
/// ```
public struct StackedWeights: Sendable, Equatable {
    /// More parts than any model has: what asks for more is no such entry.
    private static let mostParts = 1 << 16

    /// The end of the entry's name.
    public let name: String
    /// What stands in its place in the names of the P matrices, with `*` for the number of the part.
    public let parts: [String]

    public init(_ name: String, parts: [String]) {
        precondition(!parts.isEmpty, "an entry '\(name)' of no parts")
        (self.name, self.parts) = (name, parts)
    }

    /// The entries that the one called `name` holds, in the order in which they lie there; nil where it is none of these.
    public func entries(in name: String, shape: [Int]) -> [ModelPlan.Entry]? {
        guard name == self.name || name.hasSuffix(".\(self.name)") else { return nil }
        guard shape.count == 3, shape.allSatisfy({ $0 > 0 }), shape[0] <= StackedWeights.mostParts, shape[1] % parts.count == 0 else { return nil }
        let path = name.dropLast(self.name.count)
        let pieces = parts.map { $0.split(separator: "*", omittingEmptySubsequences: false) }
        return (0..<shape[0]).flatMap { number in
            pieces.map { ModelPlan.Entry(name: path + $0.joined(separator: "\(number)"), shape: [shape[1] / parts.count, shape[2]]) }
        }
    }
}
