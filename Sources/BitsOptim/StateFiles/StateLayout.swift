/// How the entries of an optimizer's state are named in a file.
///
/// A state file is a safetensors file. Each entry has the path that it has in bitsandbytes' `state_dict()`, joined by dots: `state.3.step` (int64, no
/// dimensions), `state.3.state1`, `state.3.qmap1`, `state.3.absmax1`, ..., where 3 is the parameter's place among those of all groups. Its metadata
/// holds the list `param_groups` as JSON, and what only this package knows: `optimizer`, the rule's name in each group, and `step_count`.
public enum StateLayout: Sendable, CaseIterable {
    /// As bitsandbytes 0.50 has it: all but the step below `__bnb_optimizer_quant_state__`, which hides them from tools that shard parameters.
    case nested
    /// As before.
    case flat

    static let nestedKey = "__bnb_optimizer_quant_state__"

    /// The name of entry `key` of parameter `index`.
    func name(_ key: String, ofParameter index: Int) -> String {
        self == .nested && key != "step" ? "state.\(index).\(StateLayout.nestedKey).\(key)" : "state.\(index).\(key)"
    }

    /// The parameter and the entry that a name in either layout stands for; nil for one that is no entry of a state.
    static func parse(_ name: String) -> (index: Int, key: String)? {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count >= 3, parts[0] == "state", let index = Int(parts[1]), index >= 0 else { return nil }
        if parts.count == 3 { return (index, String(parts[2])) }
        return parts.count == 4 && parts[2] == nestedKey ? (index, String(parts[3])) : nil
    }
}

extension UpdateRule {
    /// Which moments each entry of a state file holds: `state1` the first list, `state2` the second, ...
    var momentEntries: [Range<Int>] {
        let count = moments.count
        guard count > 0 else { return [] }
        let first = Self.momentsInFirstEntry
        return [0..<first] + (first..<count).map { $0..<$0 + 1 }
    }
}
