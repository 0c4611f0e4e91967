internal import BitsCore
internal import BitsKernels
internal import BitsSystem

/// The folder in which Hugging Face's tools keep downloaded models. `Hub` in BitsHub puts there what it fetches; here it is only looked into.
///
/// A repository `organization/model` lies in `models--organization--model`: `refs/main` names the current revision, `snapshots/<revision>` holds
/// its files.
public struct HuggingFaceCache: Sendable {
    public let path: String

    /// The cache at `path`, for instance `~/.cache/huggingface/hub`.
    public init(path: String) { self.path = path }

    /// The cache that `HF_HUB_CACHE`, `HUGGINGFACE_HUB_CACHE`, `HF_HOME` or `XDG_CACHE_HOME` name, in this order; else the one in the home folder.
    public init() {
        self.init(variable: FileSystem.environment)
    }

    package init(variable: (String) -> String?) {
        func expanded(_ path: String) -> String { FileSystem.expandingHome(path, variable: variable) }
        if let path = variable("HF_HUB_CACHE") ?? variable("HUGGINGFACE_HUB_CACHE") {
            self.path = expanded(path)
        } else if let path = variable("HF_HOME") {
            self.path = "\(expanded(path))/hub"
        } else {
            self.path = "\(expanded(variable("XDG_CACHE_HOME") ?? "~/.cache"))/huggingface/hub"
        }
    }

    /// `organization/model@revision` taken apart; the revision is `main` where none is named.
    package static func parts(of name: String) -> (repository: String, revision: String) {
        let parts = name.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        return parts.count == 2 && !parts[1].isEmpty ? (parts[0], parts[1]) : (name, "main")
    }

    /// Whether `name` could be a repository's: `model` or `organization/model`.
    package static func isRepository(_ name: String) -> Bool {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        return (1...2).contains(parts.count) && parts.allSatisfy(isPlain)
    }

    private static func isPlain(_ part: Substring) -> Bool {
        part.utf8.first.map { $0 != UInt8(ascii: ".") && $0 != UInt8(ascii: "-") } ?? false
            && part.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
                case UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"): true
                default: false
                }
            }
    }

    /// The folder of a repository's files; nil when the cache does not have the repository.
    ///
    /// - Parameter revision: a branch or tag, or a commit's hash.
    /// - Throws: ``ModelFileError/malformed(path:_:)`` when the repository is there but that revision is not.
    public func snapshot(of repository: String, revision: String = "main") throws(ModelFileError) -> String? {
        guard HuggingFaceCache.isRepository(repository) else { return nil }
        let folder = "\(path)/models--\(repository.split(separator: "/").joined(separator: "--"))"
        guard FileSystem.kind(of: folder) == .folder else { return nil }
        var commit = revision
        if let reference = try? MappedFile(path: "\(folder)/refs/\(revision)"), reference.byteCount < 256 {
            let text = String(decoding: reference.bytes(in: 0..<reference.byteCount), as: UTF8.self)
            commit = text.split(whereSeparator: \.isWhitespace).first.map(String.init) ?? revision
        }
        let snapshot = "\(folder)/snapshots/\(commit)"
        guard HuggingFaceCache.isPlain(commit[...]), FileSystem.kind(of: snapshot) == .folder else {
            throw .malformed(path: folder, "has no snapshot of revision '\(revision)'; download the model again")
        }
        return snapshot
    }
}
