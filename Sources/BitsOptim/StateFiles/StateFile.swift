import BitsCore
import BitsIO
import BitsKernels
import BitsQuant

/// A state file, opened: its groups, and the entries of each parameter by their keys.
struct StateFile {
    let file: SafetensorsFile
    let groups: [JSONObject]
    let entries: [Int: [String: SafetensorsEntry]]

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
            if let (index, key) = StateLayout.parse(entry.name) { entries[index, default: [:]][key] = entry }
        }
        self.entries = entries
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

    /// Steps taken; nil in files of bitsandbytes.
    var stepCount: Int? { file.metadata["step_count"].flatMap { Int($0) } }

    /// The value of an entry's only element.
    func integer(_ entry: SafetensorsEntry) throws(OptimizerError) -> Int {
        let slice = try slice(entry, on: .cpu)
        guard slice.count == 1, slice.dtype == .int64 || slice.dtype == .int32 || slice.dtype == .float32 else {
            throw .unsuitableState(path: path, "'\(entry.name)' is \(entry.typeName) of shape \(entry.shape); one whole number was expected")
        }
        do { return try slice.downloadIntegers()[0] } catch { throw .device(error) }
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
