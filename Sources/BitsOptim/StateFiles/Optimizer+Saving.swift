import BitsCore
import BitsIO
import BitsKernels

extension Optimizer {
    /// Writes what the optimizer remembers to a safetensors file, from which ``loadState(from:)`` resumes byte for byte, and which bitsandbytes can take
    /// (see `Docs/coming-from-bitsandbytes.md`).
    ///
    /// Parameters themselves are not in it, nor are schedule, clipping and overrides: make the optimizer the same way before loading.
    ///
    /// - Throws: ``OptimizerError/stateFile(_:)`` when the file cannot be written; nothing is left behind then.
    public func saveState(to path: String, layout: StateLayout = .nested) throws(OptimizerError) {
        let entries = try stateEntries(layout)
        let metadata = [
            "format": "pt", "param_groups": JSONValue.array(stateGroups).compactText, "step_count": "\(stepCount)",
            "optimizer": JSONValue.array(groups.map { .string(type(of: $0.rule).name) }).compactText,
        ]
        do throws(ModelFileError) {
            let announced = entries.map { (name: $0.key, dtype: $0.value.dtype, shape: $0.value.shape) }
            var writer = try SafetensorsWriter(path: path, tensors: announced, metadata: metadata)
            for entry in writer.entries {
                if let contents = entries[entry.name]?.contents { try writer.write(contents()) }
            }
            try writer.commit()
        } catch { throw .stateFile(error) }
    }

    private struct Entry {
        var dtype: DType
        var shape: [Int]
        var contents: () -> Slice

        init(_ dtype: DType, _ shape: [Int], _ contents: @escaping () -> Slice) { (self.dtype, self.shape, self.contents) = (dtype, shape, contents) }

        /// Slices of one type, one after the other, in `shape`.
        init(_ parts: [Slice], shape: [Int]) {
            self.init(parts[0].dtype, shape) { parts.count == 1 ? parts[0] : joined(parts) }
        }
    }

    private func stateEntries(_ layout: StateLayout) throws(OptimizerError) -> [String: Entry] {
        var entries: [String: Entry] = [:]
        for (index, parameter) in groups.flatMap(\.parameters).enumerated() {
            guard let state = states[ObjectIdentifier(parameter)], let member = members[ObjectIdentifier(parameter)] else { continue }
            func add(_ key: String, _ entry: Entry) { entries[layout.name(key, ofParameter: index)] = entry }
            let device = parameter.device
            let (step, rule) = (state.step, try settings(of: member, overrides[ObjectIdentifier(parameter)]).rule)
            add("step", Entry(.int64, []) { device.upload([Int64(step)], as: .int64) })
            for (number, range) in rule.momentEntries.enumerated() {
                let moments = Array(state.moments[range])
                let outer = moments.count > 1 ? [moments.count] : []
                add("state\(number + 1)", Entry(moments.map(\.values), shape: outer + parameter.shape))
                if let blocks = moments[0].blocks {
                    add("qmap\(number + 1)", Entry([blocks.codebook], shape: [256]))
                    let scales = moments.compactMap { $0.blocks?.absmax }
                    add("absmax\(number + 1)", Entry(scales, shape: outer + [scales[0].count]))
                }
            }
            if let norms = state.gradientNorms { add("gnorm_vec", Entry([norms], shape: [norms.count])) }
            if rule.update(step: max(1, step), learningRate: 0).trust != nil {
                add("unorm_vec", Entry(.float32, [1]) { device.upload([0 as Float], as: .float32) })
            }
        }
        return entries
    }

    /// The settings of the groups as bitsandbytes has them, with those that only this package has.
    private var stateGroups: [JSONValue] {
        var first = 0
        return groups.map { group in
            var object = group.rule.stateSettings
            object["params"] = .array((first..<first + group.parameters.count).map { JSONValue(integerLiteral: $0) })
            first += group.parameters.count
            return .object(object)
        }
    }
}

extension UpdateRule {
    fileprivate var stateSettings: JSONObject {
        // What bitsandbytes reads from every group, whether the rule has it or not.
        var object: JSONObject = ["lr": 0.0, "betas": [0.0, 0.0], "eps": 0.0, "weight_decay": 0.0]
        if moments.count > 1 {
            object["alpha"] = 0.0
            for key in ["t_alpha", "t_beta3"] { object[key] = JSONValue.null }
        }
        for setting in Self.settings {
            let value: JSONValue =
                switch setting.get(self) {
                case .number(let number): .number(setting.isCount ? JSONNumber(Int(number)) : JSONNumber(number))
                case .flag(let flag): .bool(flag)
                case .none: .null
                }
            object.setState(setting.fileKey, to: value)
        }
        return object
    }
}

extension JSONObject {
    /// Sets a key, or an element of the list that `key[index]` names, which grows as needed.
    fileprivate mutating func setState(_ key: String, to value: JSONValue) {
        guard let (list, index) = listElement(key) else {
            self[key] = value
            return
        }
        var elements: [JSONValue] = []
        if case .array(let present) = self[list] { elements = present }
        while elements.count <= index { elements.append(0.0) }
        elements[index] = value
        self[list] = .array(elements)
    }
}

/// `betas[1]` is element 1 of the list `betas`; nil for a plain key.
func listElement(_ key: String) -> (list: String, index: Int)? {
    guard let open = key.firstIndex(of: "["), key.last == "]", let index = Int(key[key.index(after: open)...].dropLast()) else { return nil }
    return (String(key[..<open]), index)
}

/// Slices of one type, one after the other.
private func joined(_ parts: [Slice]) -> Slice {
    let device = parts[0].device
    let whole = device.allocate(parts[0].dtype, count: parts.reduce(0) { $0 + $1.count })
    var start = 0
    for part in parts {
        let target = whole[start..<start + part.count]
        device.run(StridedCopy(from: StridedSlice(contiguous: part, shape: [part.count]), to: StridedSlice(contiguous: target, shape: [part.count])))
        start += part.count
    }
    return whole
}
