import BitsCore
import BitsIO
import BitsKernels
import BitsQuant

/// A state file, opened: its groups, and the entries of each parameter by their keys.
struct StateFile {
    let file: SafetensorsFile
    let groups: [JSONObject]
    let entries: [Int: [String: SafetensorsEntry]]
    /// Steps taken; nil in files of bitsandbytes.
    let stepCount: Int?

    var path: String { file.file.path }

    init(path: String) throws(OptimizerError) {
        do { file = try SafetensorsFile(path: path) } catch { throw .stateFile(error) }
        guard let text = file.metadata["param_groups"] else {
            throw .unsuitableState(path: path, "its metadata has no param_groups, so it is no optimizer's state")
        }
        let value: JSONValue
        do { value = try JSONValue(parsing: Array(text.utf8), path: "\(path), param_groups") } catch { throw .stateFile(error) }
        var groups = [JSONObject]()
        guard case .array(let elements) = value else { throw .unsuitableState(path: path, "its param_groups are no list") }
        for element in elements {
            guard case .object(let object) = element else { throw .unsuitableState(path: path, "its param_groups hold something that is no group") }
            groups.append(object)
        }
        self.groups = groups
        var entries: [Int: [String: SafetensorsEntry]] = [:]
        for entry in file.entries {
            guard let (index, key) = StateLayout.parse(entry.name) else { continue }
            if let other = entries[index, default: [:]].updateValue(entry, forKey: key) {
                throw .unsuitableState(path: path, "it has '\(other.name)' and '\(entry.name)'; one of them was expected")
            }
        }
        self.entries = entries
        stepCount = try StateFile.stepCount(file)
    }

    /// More steps than anyone takes, and all whole numbers up to here are exact in double precision.
    static let possibleSteps = 0...1 << 53

    private static func stepCount(_ file: SafetensorsFile) throws(OptimizerError) -> Int? {
        guard let text = file.metadata["step_count"] else { return nil }
        guard let count = Int(text), possibleSteps.contains(count) else {
            throw .unsuitableState(path: file.file.path, "its step_count is '\(text)'; a number of steps was expected")
        }
        return count
    }

    /// The number of parameters of each group.
    var parameterCounts: [Int] {
        groups.map { group in
            if case .array(let places) = group["params"] { places.count } else { 0 }
        }
    }

    /// The names of the groups' rules; nil in files of bitsandbytes.
    var ruleNames: [String]? {
        guard let text = file.metadata["optimizer"], let value = try? JSONValue(parsing: Array(text.utf8)), case .array(let names) = value else {
            return nil
        }
        return names.map { if case .string(let name) = $0 { name } else { "" } }
    }

    /// Whether bitsandbytes wrote it, or a tool for it.
    var isForeign: Bool { ruleNames == nil }

    /// An entry's only element, a number of steps.
    func steps(_ entry: SafetensorsEntry) throws(OptimizerError) -> Int {
        let slice = try slice(entry, on: .cpu)
        guard slice.count == 1, slice.dtype == .int64 || slice.dtype == .int32 || slice.dtype == .float32 else {
            throw .unsuitableState(path: path, "'\(entry.name)' is \(entry.typeName) of shape \(entry.shape); one whole number was expected")
        }
        let (count, found): (Int?, String)
        do {
            if slice.dtype == .float32 {
                let number = try slice.downloadFloats()[0]
                (count, found) = (Int(exactly: number), "\(number)")
            } else {
                let number = try slice.downloadIntegers()[0]
                (count, found) = (number, "\(number)")
            }
        } catch { throw .device(error) }
        guard let steps = count, StateFile.possibleSteps.contains(steps) else {
            throw .unsuitableState(path: path, "'\(entry.name)' is \(found); a number of steps was expected")
        }
        return steps
    }

    /// The elements of `entry`, each of which scales something or is a norm.
    func magnitudes(_ entry: SafetensorsEntry, upTo limit: Float = .greatestFiniteMagnitude) throws(OptimizerError) -> [Float] {
        let values = try floats(entry)
        if let value = values.first(where: { !($0 >= 0 && $0 <= limit) }) {
            throw .unsuitableState(path: path, "'\(entry.name)' holds \(value); numbers from 0 to \(limit) were expected")
        }
        return values
    }

    func floats(_ entry: SafetensorsEntry) throws(OptimizerError) -> [Float] {
        do { return try slice(entry, on: .cpu).downloadFloats() } catch let error as OptimizerError { throw error } catch {
            throw .unsuitableState(path: path, "'\(entry.name)': \(error)")
        }
    }

    /// The elements of `entry`, not to be changed.
    func slice(_ entry: SafetensorsEntry, on device: Device) throws(OptimizerError) -> Slice {
        do { return try file.slice(of: entry, on: device) } catch { throw .stateFile(error) }
    }
}
