public import Synchronization

/// What a device's memory is used for.
public enum MemoryCategory: UInt8, Sendable, CaseIterable, AtomicRepresentable {
    /// The numbers of a model, or the codes that stand for them; mapped files that are read in place too.
    case weights
    /// What it takes to read codes: scales and codebooks.
    case statistics
    /// The weights that an adapter adds.
    case adapters
    case gradients
    /// What an optimizer remembers of gradients, as far as it is in the device.
    case moments
    /// What is computed on the way, and kept for the way back.
    case activations
    /// The keys and values of tokens that are continued.
    case cache
    /// What kernels need while they run, and small tables.
    case workspace

    /// What memory that is taken now counts as.
    @TaskLocal package static var current = activations

    /// `weights`, `statistics`, ...
    public var name: String { "\(self)" }
}

/// Counts the memory that `body` takes as used for `category`, see ``MemoryLedger``; what nobody says otherwise of are activations.
///
/// A parameter's value counts as weights without being told, and what has arrived at a parameter as gradients.
public func counted<R, E: Error>(as category: MemoryCategory, _ body: () throws(E) -> R) throws(E) -> R {
    let result: Result<R, E> = MemoryCategory.$current.withValue(category) {
        do throws(E) { return .success(try body()) } catch { return .failure(error) }
    }
    return try result.get()
}
