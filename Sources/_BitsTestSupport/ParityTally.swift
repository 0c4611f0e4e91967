/// How many recorded answers a test compared, and which it left out, so that nobody has to guess how much a success means.
public struct ParityTally: CustomStringConvertible {
    public let name: String
    public private(set) var compared = 0
    /// Reasons to leave cases out, with the number of cases.
    public private(set) var leftOut: [String: Int] = [:]

    /// Hands each of `cases` to `compare`, which gives a reason where it leaves one out, and prints the line that counts them.
    ///
    /// - Throws: ``NoParityCases`` when not one was compared; what `compare` throws.
    @discardableResult
    public static func compare<Case>(_ name: String, _ cases: [Case], _ compare: (Case) throws -> String?) throws -> ParityTally {
        var tally = ParityTally(name: name)
        for example in cases {
            if let reason = try compare(example) { tally.leftOut[reason, default: 0] += 1 } else { tally.compared += 1 }
        }
        print(tally)
        guard tally.compared > 0 else { throw NoParityCases(group: name, folder: ParityCases.folder) }
        return tally
    }

    public var description: String {
        let reasons = leftOut.sorted { $0.key < $1.key }.map { "\($0.value) because: \($0.key)" }.joined(separator: "; ")
        return "parity: \(name): \(compared) compared, \(leftOut.values.reduce(0, +)) left out\(reasons.isEmpty ? "" : " (\(reasons))")"
    }
}
