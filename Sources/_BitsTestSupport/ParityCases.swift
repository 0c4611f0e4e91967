public import BitsCore
public import BitsIO
import BitsKernels
import BitsSystem

/// A recorded answer of the reference: what went in, what came out, and how closely ours has to agree. Its tensors lie on the device that is tested.
public struct ParityCase: Sendable {
    /// Unique within its file.
    public let id: String
    /// The function that was called.
    public let operation: String
    /// Its scalar arguments.
    public let arguments: ConfigurationFields
    /// Why the reference's answer is known to be wrong; nil where it is not.
    let skip: String?
    private let fields: JSONObject
    private let tensors: SafetensorsFile

    init(_ fields: ConfigurationFields, tensors: SafetensorsFile) throws {
        id = try fields.require("id")
        operation = try fields.require("op")
        guard let arguments = try fields.section("args") else { throw fields.error("has no 'args' in case \(id)") }
        self.arguments = arguments
        skip = try fields.optional("skip")
        self.fields = fields.object
        self.tensors = tensors
    }

    /// The input called `name`; nil where the case has none.
    public func input(_ name: String) throws -> Tensor? { try tensor(name, side: "in") }

    /// The reference's answer called `name`; nil where the case has none.
    public func output(_ name: String) throws -> Tensor? { try tensor(name, side: "out") }

    /// An input or answer that every case of its operation has.
    public func require(_ name: String) throws -> Tensor {
        if let tensor = try input(name) ?? output(name) { return tensor }
        throw arguments.error("has no tensor '\(name)' in case \(id)")
    }

    /// The names of the reference's answers.
    public var outputNames: [String] { object("out").keys }

    /// How closely the answer called `name` has to agree.
    public func tolerance(_ name: String) throws -> ParityTolerance {
        guard case .object(let object) = object("tol")[name] else { return ParityTolerance() }
        return try ParityTolerance(ConfigurationFields(object, path: arguments.path))
    }

    private func object(_ name: String) -> JSONObject {
        if case .object(let object) = fields[name] { object } else { JSONObject() }
    }

    private func tensor(_ name: String, side: String) throws -> Tensor? {
        guard case .string(let key) = object(side)[name] else { return nil }
        guard let entry = tensors[key] else { throw arguments.error("names a tensor '\(key)' that \(tensors.file.path) does not hold") }
        return try tensors.tensor(entry, on: .tested)
    }
}

/// Where the recorded cases are.
public enum ParityCases {
    /// The environment variable `BNB_PARITY_CASES`, or `Tests/ParityTests/Cases`.
    public static var folder: String {
        if let path = FileSystem.environment("BNB_PARITY_CASES") { return path }
        return #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" } + "/Tests/ParityTests/Cases"
    }

    /// Hands the cases of `group` to `compare`, those of one `operation` if it is given; see ``ParityTally``. Those whose answers are known to be wrong
    /// are left out.
    ///
    /// - Throws: when not one was compared, a file cannot be read, or `compare` throws.
    public static func compare(_ group: String, _ operation: String? = nil, _ compare: (ParityCase) throws -> String?) throws {
        let cases = try cases(group).filter { operation == nil || $0.operation == operation }
        try ParityTally.compare(operation ?? group, cases) { try $0.skip ?? compare($0) }
    }

    /// What the cases of `group` call.
    public static func operations(_ group: String) throws -> Set<String> { Set(try cases(group).map(\.operation)) }

    /// The cases of `group.json` in the folder itself, and in its folders `cuda` and `cpu`.
    private static func cases(_ group: String) throws -> [ParityCase] {
        try ["", "cuda/", "cpu/"].flatMap { try read("\(folder)/\($0)\(group)") }
    }

    private static func read(_ path: String) throws -> [ParityCase] {
        guard FileSystem.kind(of: "\(path).json") == .file else { return [] }
        let file = try MappedFile(path: "\(path).json")
        guard case .array(let elements) = try JSONValue(file) else { throw ModelFileError.malformed(path: file.path, "is not a list of cases") }
        let tensors = try SafetensorsFile(path: "\(path).safetensors")
        return try elements.map { element in
            guard case .object(let object) = element else { throw ModelFileError.malformed(path: file.path, "holds something other than cases") }
            return try ParityCase(ConfigurationFields(object, path: file.path), tensors: tensors)
        }
    }
}

/// There is nothing to compare with.
public struct NoParityCases: Error, CustomStringConvertible {
    public let group: String
    public let folder: String

    public init(group: String, folder: String) {
        self.group = group
        self.folder = folder
    }

    public var description: String { "no recorded case of '\(group)' in \(folder), its cuda or its cpu folder" }
}
