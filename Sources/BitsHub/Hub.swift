public import BitsIO
internal import BitsSystem
internal import Synchronization

/// Models on a hub, fetched into the cache that Hugging Face's tools share.
///
/// ```swift
/// let folder = try Hub().model("organization/name")
/// ```
public struct Hub: Sendable {
    public var settings: HubSettings

    public init(_ settings: HubSettings = .environment) { self.settings = settings }

    /// Whether `name` can only mean a model on the hub: it is no folder and no model compiled in, and has the form `organization/model`.
    public static func isMeant(by name: String) -> Bool {
        let repository = HuggingFaceCache.parts(of: name).repository
        return FileSystem.kind(of: name) == .missing && repository.contains("/") && HuggingFaceCache.isRepository(repository)
            && ModelFolder(embedded: name) == nil
    }

    /// How far a download is.
    public struct Progress: Sendable, Equatable {
        public var bytes: Int
        public var ofBytes: Int
    }

    /// Files that are fetched at the same time.
    private static let width = 4

    /// A model's files: from the cache where they are whole, else what is missing is fetched: settings, tokenizer and weights, several files at once, each from
    /// where an earlier run ended, checked by size and checksum.
    ///
    /// - Parameters:
    ///   - name: `organization/model`, with `@revision` if wanted: a branch, a tag or a commit.
    ///   - onWait: is called where another process is fetching a file.
    ///   - progress: is called as bytes come, from several threads one at a time.
    /// - Throws: ``BitsIO/ModelFileError/system(_:)`` with the repository's name, what is wrong and what to do.
    public func model(
        _ name: String, onWait: @Sendable () -> Void = {}, progress: @Sendable (Progress) -> Void = { _ in }
    ) throws(ModelFileError) -> ModelFolder {
        let (repository, revision) = HuggingFaceCache.parts(of: name)
        guard HuggingFaceCache.isRepository(repository), !revision.contains("..") else {
            throw .system(FileError(path: name, message: "is no name of a model; organization/name was expected, with @revision if wanted", code: 2))
        }
        // Where nothing may be fetched, what there is has to do.
        do throws(ModelFileError) {
            if let snapshot = try settings.cache.snapshot(of: repository, revision: revision), settings.isOffline || Hub.isWhole(snapshot) {
                return try ModelFolder(path: snapshot)
            }
        } catch {
            if settings.isOffline { throw error }
        }
        let client = HubClient(settings: settings, repository: repository, revision: revision)
        guard !settings.isOffline else {
            throw client.fault(
                "is not there, and the Hugging Face cache \(settings.cache.path) has no model of that name; name a folder, or unset HF_HUB_OFFLINE to download it"
            )
        }
        let (commit, names) = try listing(client)
        let folder = try HubFolder(repository, in: settings.cache)
        let settingsFiles = HubFiles.settings(among: names)
        guard !settingsFiles.isEmpty else { throw client.fault("has no config.json: it is no model in the Hugging Face layout") }
        try fetch(settingsFiles, commit, client, folder, onWait: onWait, progress: { _ in })
        let index = HubFiles.weightIndex(among: names)
        let contents = try index.map { (index) throws(ModelFileError) in try folder.contents(of: index, commit: commit) }
        let weights = try HubFiles.weights(among: names, index: contents, path: "\(repository)/\(index ?? "")")
        guard !weights.isEmpty else {
            throw client.fault("has no weights that are read here: model.safetensors was expected, or its parts with an index")
        }
        if let absent = weights.first(where: { !names.contains($0) }) {
            throw client.fault("has an index that names \(absent), which it has not; choose another revision")
        }
        try fetch(weights, commit, client, folder, onWait: onWait, progress: progress)
        try folder.refer(revision, to: commit)
        return try ModelFolder("\(repository)@\(commit)", cache: settings.cache)
    }

    /// Whether a snapshot has its weights, all of them; a download that was broken off leaves one without.
    static func isWhole(_ snapshot: String) -> Bool {
        func has(_ name: String) -> Bool { FileSystem.kind(of: "\(snapshot)/\(name)") == .file }
        guard let names = try? FileSystem.names(in: snapshot), names.contains(where: { $0.hasSuffix("config.json") }) else { return false }
        let index = HubFiles.weightIndex(among: names)
        let contents = index.flatMap { try? FileSystem.contents(of: "\(snapshot)/\($0)") }
        guard index == nil || contents != nil, let weights = try? HubFiles.weights(among: names, index: contents, path: snapshot) else {
            return false
        }
        return !weights.isEmpty && weights.allSatisfy(has)
    }

    /// The commit that the revision is, and the names of its files.
    private func listing(_ client: HubClient) throws(ModelFileError) -> (commit: String, names: [String]) {
        let path = "/api/models/\(client.repository)/revision/\(client.revision)"
        let fields: ConfigurationFields
        do throws(ModelFileError) {
            guard case .object(let object) = try JSONValue(parsing: try client.contents(of: path), path: client.repository) else {
                throw .malformed(path: path, "holds no object")
            }
            fields = ConfigurationFields(object, path: client.repository)
        } catch {
            guard case .malformed = error else { throw error }
            throw client.fault("cannot be downloaded: \(settings.endpoint) gives no list of its files; check HF_ENDPOINT")
        }
        let commit = try fields.require("sha", as: String.self)
        guard !commit.isEmpty, commit.utf8.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else {
            throw client.fault("has the commit '\(commit)', which is none")
        }
        let names = try fields.sections("siblings").map { (file) throws(ModelFileError) in try file.require("rfilename", as: String.self) }
        return (commit, names.filter { !$0.hasPrefix("/") && !$0.split(separator: "/").contains("..") })
    }

    /// Fetches files, several at once; the first fault ends all.
    private func fetch(
        _ names: [String], _ commit: String, _ client: HubClient, _ folder: HubFolder, onWait: @Sendable () -> Void,
        progress: @Sendable (Progress) -> Void
    ) throws(ModelFileError) {
        let files = try Crew.map(names, width: Hub.width) { (name) throws(ModelFileError) in try HubFile(name, commit: commit, client: client) }
        let state = Mutex(Progress(bytes: files.reduce(0) { $0 + folder.byteCount(of: $1) }, ofBytes: files.reduce(0) { $0 + $1.byteCount }))
        _ = try Crew.map(files, width: Hub.width) { (file) throws(ModelFileError) in
            try folder.fetch(file, commit: commit, client: client, onWait: onWait) { count in
                state.withLock {
                    $0.bytes += count
                    progress($0)
                }
            }
        }
    }
}
