import BitsCore
import BitsIO
import BitsKernels
import BitsQuant

extension Optimizer {
    /// Resumes from a file that ``saveState(to:layout:)`` wrote, or from bitsandbytes' state in either layout.
    ///
    /// The groups' settings come from the file, and the moments are kept as they are in it, in 8 or in 32 bits and with the file's codebooks and block
    /// sizes; how they are paged is this optimizer's.
    ///
    /// - Throws: ``OptimizerError/unsuitableState(path:_:)`` when the file is of another optimizer or other parameters,
    ///   ``OptimizerError/stateFile(_:)`` when it cannot be read. Nothing is changed then.
    public func loadState(from path: String) throws(OptimizerError) {
        let file = try StateFile(path: path)
        try checkGroups(file)
        let before = groups
        do throws(OptimizerError) {
            for index in groups.indices { try groups[index].rule.takeSettings(from: file.groups[index], path: file.path) }
            do { try validateSettings() } catch { throw .unsuitableState(path: file.path, "with the file's settings, \(error)") }
            let loaded = try loadedStates(file)
            pager?.drop(states.values.map(\.pages))
            states = loaded
        } catch {
            groups = before
            throw error
        }
        stepCount = file.stepCount ?? states.values.map(\.step).max() ?? 0
        gradientNorm = nil
    }

    private func checkGroups(_ file: StateFile) throws(OptimizerError) {
        let (found, wanted) = (file.parameterCounts, groups.map(\.parameters.count))
        guard found.count == wanted.count else {
            throw .unsuitableState(path: file.path, "it has \(found.count) parameter groups, the optimizer \(wanted.count)")
        }
        if let index = found.indices.first(where: { found[$0] != wanted[$0] }) {
            throw .unsuitableState(path: file.path, "its group \(index) has \(found[index]) parameters, the optimizer's \(wanted[index])")
        }
        if let last = file.entries.keys.max(), last >= wanted.reduce(0, +) {
            throw .unsuitableState(path: file.path, "it has state for parameter \(last), but the optimizer has \(wanted.reduce(0, +)) parameters")
        }
        if let names = file.ruleNames {
            let own = groups.map { type(of: $0.rule).name }
            if names != own {
                throw .unsuitableState(
                    path: file.path, "it is the state of \(names.joined(separator: ", ")), the optimizer is \(own.joined(separator: ", "))")
            }
        }
    }

    /// The states in `file`, for the groups' rules as they are now.
    private func loadedStates(_ file: StateFile) throws(OptimizerError) -> [ObjectIdentifier: ParameterState] {
        var loaded: [ObjectIdentifier: ParameterState] = [:]
        do throws(OptimizerError) {
            for (index, parameter) in groups.flatMap(\.parameters).enumerated() {
                guard let entries = file.entries[index], let member = members[ObjectIdentifier(parameter)] else { continue }
                let codebooks = codebooks ?? MomentCodebooks(on: parameter.device)
                self.codebooks = codebooks
                let rule = try settings(of: member, overrides[ObjectIdentifier(parameter)]).rule
                let pager = try pager(for: parameter, rule.moments.isEmpty ? nil : moments.paging)
                let reader = StateReader(
                    file: file, entries: entries, parameter: parameter, name: member.name, rule: rule, codebooks: codebooks,
                    memory: MomentMemory(device: parameter.device, pager: pager))
                let state = try counted(as: .moments, reader.state)
                loaded[ObjectIdentifier(parameter)] = state
                pager?.admit(state.pages)
            }
        } catch {
            pager?.drop(loaded.values.map(\.pages))
            throw error
        }
        pager?.finish()
        return loaded
    }
}

extension UpdateRule {
    /// Takes the settings that `group` has.
    fileprivate mutating func takeSettings(from group: JSONObject, path: String) throws(OptimizerError) {
        for setting in Self.settings {
            var value = group[setting.fileKey]
            if let (list, index) = listElement(setting.fileKey) {
                guard let present = group[list] else { continue }
                guard case .array(let elements) = present, index < elements.count else {
                    throw .unsuitableState(path: path, "\(list) of a group is no list of at least \(index + 1)")
                }
                value = elements[index]
            }
            let taken: SettingValue
            switch value {
            case nil: continue
            case .null: taken = .none
            case .bool(let flag): taken = .flag(flag)
            case .number(let number): taken = .number(number.double)
            default: throw .unsuitableState(path: path, "\(setting.fileKey) of a group is neither a number nor true or false")
            }
            if taken == .none, setting.get(self) != .none, !setting.isCount { continue }
            do { try change(setting.fileKey, to: taken) } catch { throw .unsuitableState(path: path, "\(error)") }
        }
        do { try validate() } catch { throw .unsuitableState(path: path, "\(error)") }
    }
}
