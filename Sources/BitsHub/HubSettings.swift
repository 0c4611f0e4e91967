internal import BitsSystem
public import BitsIO

/// Where models come from, and who asks.
public struct HubSettings: Sendable {
    /// `https://huggingface.co`, or a mirror.
    public var endpoint: String
    /// Sent to the endpoint, to no other host; nil for none.
    public var token: String?
    /// Whether nothing may be fetched.
    public var isOffline: Bool
    public var cache: HuggingFaceCache
    /// Seconds without a byte after which a transfer is begun again.
    public var patience = 30
    /// Seconds before a transfer is begun again for the first time; twice as many before each further one.
    public var pause = 1.0

    public init(
        endpoint: String = "https://huggingface.co", token: String? = nil, isOffline: Bool = false, cache: HuggingFaceCache = HuggingFaceCache()
    ) {
        self.endpoint = endpoint
        self.token = token
        self.isOffline = isOffline
        self.cache = cache
    }

    /// As the environment says: `HF_ENDPOINT`, `HF_HUB_OFFLINE`, `HF_TOKEN` or the file that `hf auth login` writes (`HF_TOKEN_PATH`, in `HF_HOME`), and what
    /// names the cache.
    public static var environment: HubSettings { HubSettings(variable: FileSystem.environment) }

    package init(variable: (String) -> String?) {
        func isOn(_ name: String) -> Bool { ["1", "ON", "YES", "TRUE"].contains(variable(name)?.uppercased() ?? "") }
        func expanded(_ path: String) -> String { FileSystem.expandingHome(path, variable: variable) }
        let home = variable("HF_HOME").map(expanded) ?? "\(expanded(variable("XDG_CACHE_HOME") ?? "~/.cache"))/huggingface"
        let path = variable("HF_TOKEN_PATH").map(expanded) ?? "\(home)/token"
        let token =
            variable("HF_TOKEN") ?? variable("HUGGING_FACE_HUB_TOKEN") ?? (isOn("HF_HUB_DISABLE_IMPLICIT_TOKEN") ? nil : SystemFile.line(of: path))
        self.init(
            endpoint: FileSystem.withoutTrailingSlash(variable("HF_ENDPOINT") ?? "https://huggingface.co"),
            token: token.map { String($0.filter { !$0.isWhitespace }) }.flatMap { $0.isEmpty ? nil : $0 },
            isOffline: isOn("HF_HUB_OFFLINE") || isOn("TRANSFORMERS_OFFLINE"), cache: HuggingFaceCache(variable: variable))
    }
}
