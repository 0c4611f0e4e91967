internal import BitsIO
internal import BitsSystem

/// Asks the hub, again where that may help, and says in one sentence what is wrong where it does not.
struct HubClient: Sendable {
    let settings: HubSettings
    /// `organization/model`.
    let repository: String
    let revision: String
    /// How often something is asked for that fails for a while.
    private static let attempts = 5

    func fault(_ message: String) -> ModelFileError { .system(FileError(path: repository, message: message, code: 0)) }

    /// A path of the endpoint, every part as it stands in an address.
    func url(_ path: String) -> String {
        let plain = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/".utf8)
        let encoded = path.utf8.map { byte in
            plain.contains(byte) ? String(Unicode.Scalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }
        return settings.endpoint + encoded.joined()
    }

    func request(_ url: String) -> HTTPRequest {
        var request = HTTPRequest(url)
        request.patience = settings.patience
        if let token = settings.token, url.hasPrefix(settings.endpoint + "/") { request.headers = [("Authorization", "Bearer \(token)")] }
        return request
    }

    /// What is at a path of the hub's interface, which is small.
    func contents(of path: String) throws(ModelFileError) -> [UInt8] {
        let most = 64 << 20
        return try retrying { () throws(Attempt) in
            var bytes: [UInt8] = []
            let response = try perform(request(url(path))) { _, part in
                bytes += part
                return bytes.count <= most
            }
            try check(response, of: path)
            return bytes
        }
    }

    // MARK: Again

    /// How one attempt ended.
    enum Attempt: Error {
        /// It may be different after a while, or after so many seconds as the server says.
        case again(ModelFileError, after: Double?)
        case final(ModelFileError)
    }

    /// Tries until it is done, cannot be, or was tried often enough. An attempt that got on counts as the first.
    func retrying<T>(progress: () -> Int = { 0 }, _ attempt: () throws(Attempt) -> T) throws(ModelFileError) -> T {
        var (pause, failures, reached) = (settings.pause, 0, progress())
        while true {
            do { return try attempt() } catch {
                switch error {
                case .final(let fault): throw fault
                case .again(let fault, let wait):
                    failures = progress() > reached ? 1 : failures + 1
                    reached = progress()
                    guard failures < HubClient.attempts else { throw fault }
                    SystemClock.sleep(min(wait ?? pause, 60))
                    pause *= 2
                }
            }
        }
    }

    func perform(_ request: HTTPRequest, _ body: (HTTPResponse, [UInt8]) -> Bool = { _, _ in true }) throws(Attempt) -> HTTPResponse {
        do { return try request.perform(body) } catch { throw attempt(error) }
    }

    private func attempt(_ failure: HTTPFailure) -> Attempt {
        let host = settings.endpoint
        switch failure.kind {
        case .noLibrary:
            return .final(
                fault("cannot be downloaded without libcurl; install it (apt-get install libcurl4), or download the model with 'hf download'"))
        case .noHost:
            return .final(fault("is not there, and cannot be downloaded: \(host) is not known here; check the network, HF_ENDPOINT and proxies"))
        case .noConnection:
            return .final(fault("is not there, and cannot be downloaded: \(host) does not answer; check the network, HF_ENDPOINT and proxies"))
        case .cut: return .again(fault("was cut off while it was downloaded (\(failure.message)); run again to go on from there"), after: nil)
        case .notTrusted:
            return .final(fault("cannot be downloaded: \(host) cannot be trusted (\(failure.message)); check its certificate, and the clock"))
        case .noProxy:
            return .final(
                fault("cannot be downloaded: the proxy does not let it pass (\(failure.message)); check HTTPS_PROXY, ALL_PROXY and NO_PROXY"))
        case .stopped, .failed: return .final(fault("cannot be downloaded (\(failure.message)); check HF_ENDPOINT"))
        }
    }

    // MARK: What the hub says

    /// - Parameter what: a file, or a path of the interface.
    func check(_ response: HTTPResponse, of what: String) throws(Attempt) {
        let code = response.headers["x-error-code"] ?? ""
        switch response.status {
        case 200..<400: return
        case _ where code == "GatedRepo":
            let how = settings.token == nil ? "log in with 'hf auth login' or set HF_TOKEN" : "the account of this token has not been let in yet"
            throw .final(fault("is open to those who asked for it: do so at \(settings.endpoint)/\(repository); \(how)"))
        case _ where code == "DisabledRepo": throw .final(fault("was disabled by the hub; choose another model"))
        case _ where code == "RevisionNotFound": throw .final(fault("has no revision '\(revision)'; name a branch, a tag or a commit"))
        case 401 where settings.token != nil && code != "RepoNotFound":
            throw .final(fault("was refused: the token in HF_TOKEN, or its file, is not valid; log in again with 'hf auth login'"))
        case _ where response.status == 401 || response.status == 404 && code != "EntryNotFound":
            let token =
                settings.token == nil ? ", and private models need a token: 'hf auth login' or HF_TOKEN" : ", and the token may not see private ones"
            throw .final(fault("is no folder here, and not on \(settings.endpoint): check its name\(token)"))
        case 403: throw .final(fault("was refused: the token may not read it; use one that may, and see \(settings.endpoint)/\(repository)"))
        case 404: throw .final(fault("has no \(what) any more; run again"))
        case 407: throw .final(fault("cannot be downloaded: the proxy asks who wants to pass; use http_proxy=http://name:password@host:port"))
        case 408, 429, 500...:
            let wait = response.headers["retry-after"].flatMap { Double($0) }
            let why = response.status == 429 ? "asked too often; wait some minutes, or log in with 'hf auth login'" : "out of order; try again later"
            throw .again(fault("cannot be downloaded now: \(settings.endpoint) is \(why) (\(response.status))"), after: wait)
        default: throw .final(fault("cannot be downloaded: \(settings.endpoint) answers \(response.status) for \(what)"))
        }
    }
}
