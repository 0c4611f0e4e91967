public import BitsCore
internal import BitsKernels
internal import BitsSystem

/// Where a model's files are: a folder, or a set compiled into the binary.
public struct ModelFolder: Sendable, CustomStringConvertible {
    private enum Location: Sendable {
        case folder(String)
        case embedded(String)
    }

    private let location: Location

    /// Finds what `name` means: a folder on disk (`~/` is the home folder), else an embedded model, else a Hugging Face repository (`organization/model`,
    /// or `organization/model@revision`) in the local cache. Nothing is downloaded.
    ///
    /// - Throws: ``ModelFileError/system(_:)`` when it is none of these; the text says where was looked.
    public init(_ name: String, cache: HuggingFaceCache = HuggingFaceCache()) throws(ModelFileError) {
        let name = FileSystem.expandingHome(name)
        let (repository, revision) = HuggingFaceCache.parts(of: name)
        switch FileSystem.kind(of: name) {
        case .folder: location = .folder(FileSystem.withoutTrailingSlash(name))
        case .file, .other: throw .system(FileError(path: name, message: "is not a folder; name the folder that holds config.json", code: 20))
        case .unknown(let code): throw .system(FileError(reading: name, errno: code))
        case .missing:
            if MappedFile(embedded: "\(name)/config.json") != nil {
                location = .embedded(name)
            } else if let snapshot = try cache.snapshot(of: repository, revision: revision) {
                location = .folder(snapshot)
            } else {
                let also = HuggingFaceCache.isRepository(repository) ? ", and the Hugging Face cache \(cache.path) has no model of that name" : ""
                throw .system(FileError(path: name, message: "is not there\(also); name a folder, or download the model first", code: 2))
            }
        }
    }

    /// The folder at `path`.
    public init(path: String) throws(ModelFileError) {
        guard FileSystem.kind(of: path) == .folder else {
            throw .system(FileError(path: path, message: "is not a folder; name the one that holds the model, or the adapter", code: 2))
        }
        location = .folder(FileSystem.withoutTrailingSlash(path))
    }

    /// The model compiled into the binary as `name`; nil where there is none.
    public init?(embedded name: String) {
        guard MappedFile(embedded: "\(name)/config.json") != nil else { return nil }
        location = .embedded(name)
    }

    /// The path, or the embedded model's name.
    public var description: String {
        switch location {
        case .folder(let path): path
        case .embedded(let name): "embedded:\(name)"
        }
    }

    /// Whether there is a file called `name`.
    public func contains(_ name: String) -> Bool {
        switch location {
        case .folder(let path): FileSystem.kind(of: "\(path)/\(name)") == .file
        case .embedded(let folder): MappedFile(embedded: "\(folder)/\(name)") != nil
        }
    }

    /// The file called `name`.
    ///
    /// - Throws: ``ModelFileError/system(_:)`` when it is not there or cannot be read.
    public func file(_ name: String) throws(ModelFileError) -> MappedFile {
        guard let file = try fileIfPresent(name) else { throw missing(name) }
        return file
    }

    /// The file called `name`; nil where there is none.
    public func fileIfPresent(_ name: String) throws(ModelFileError) -> MappedFile? {
        switch location {
        case .embedded(let folder): return MappedFile(embedded: "\(folder)/\(name)")
        case .folder(let path):
            guard FileSystem.kind(of: "\(path)/\(name)") != .missing else { return nil }
            do { return try MappedFile(path: "\(path)/\(name)") } catch { throw .system(error) }
        }
    }

    /// The files in the folder `name` that end in `suffix`, by their names without it; none where there is no such folder.
    func files(in name: String, withSuffix suffix: String) throws(ModelFileError) -> [(name: String, file: MappedFile)] {
        guard case .folder(let path) = location, FileSystem.kind(of: "\(path)/\(name)") == .folder else { return [] }
        do {
            return try FileSystem.names(in: "\(path)/\(name)").filter { $0.hasSuffix(suffix) }.map { file throws(FileError) in
                (String(file.dropLast(suffix.count)), try MappedFile(path: "\(path)/\(name)/\(file)"))
            }
        } catch { throw .system(error) }
    }

    /// The error that says what the folder lacks, and what else would have done.
    func missing(_ name: String, or alternative: String? = nil) -> ModelFileError {
        let message = "has no \(name)" + (alternative.map { " and not \($0)" } ?? "") + "; name a folder in the Hugging Face layout"
        return .system(FileError(path: description, message: message, code: 2))
    }
}
