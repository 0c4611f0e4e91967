@_exported public import struct BitsKernels.PagingCounters

/// Where moments go that need not all be in memory at once.
///
/// Each paged parameter's moments lie in a file without a name, in ``folder``; the system removes it when the optimizer or the process goes. Moments stay
/// in memory up to ``residentByteCount``. Those beyond it are read ahead while the parameter before them is updated, and written and given up after
/// their own step, so that the state of an optimizer may be larger than memory. Steps give the same bits as without paging.
public struct Paging: Sendable, Equatable {
    /// nil for the folder that the environment variable `TMPDIR` names, else `/tmp`.
    public var folder: String?
    /// Parameters with fewer elements are not paged.
    public var minimumCount: Int
    /// Bytes of paged moments that stay in memory between steps; nil for half of what is available at the first step and was not in use
    /// before it.
    public var residentByteCount: Int?

    public init(folder: String? = nil, minimumCount: Int = 100_000, residentByteCount: Int? = nil) {
        self.folder = folder
        self.minimumCount = minimumCount
        self.residentByteCount = residentByteCount
    }
}
