/// Keeps the keys and values of new tokens: `keyCache[b, positions[b, t]] = key[b, t]`, values alike, rounded once to the caches' type.
///
/// A position outside the caches is left out. The positions of one sequence differ.
///
/// Shapes: key and value [B, T, width], positions int32 [B, T], keyCache and valueCache [B, capacity, width].
package struct CacheWrite: Kernel {
    package static let name = "cache_write"
    package var key: Slice
    package var value: Slice
    package var positions: Slice
    package var keyCache: Slice
    package var valueCache: Slice
    package var sequences: Int
    package var width: Int

    package init(key: Slice, value: Slice, positions: Slice, keyCache: Slice, valueCache: Slice, sequences: Int, width: Int) {
        precondition(
            key.count == positions.count * width && value.count == key.count && keyCache.count == valueCache.count
                && keyCache.dtype == valueCache.dtype && keyCache.count % (sequences * width) == 0 && positions.count % sequences == 0
                && positions.dtype == .int32,
            "keys of \(key.count), values of \(value.count) and \(positions.count) positions for caches of \(keyCache.count), "
                + "\(sequences) sequences of width \(width)")
        (self.key, self.value, self.positions, self.keyCache) = (key, value, positions, keyCache)
        (self.valueCache, self.sequences, self.width) = (valueCache, sequences, width)
    }

    /// Tokens a sequence that there is room for.
    package var capacity: Int { keyCache.count / (sequences * width) }

    package static let operandList: OperandList<Self> = [
        .reads("key", \.key), .reads("value", \.value), .reads("positions", \.positions), .updates("keyCache", \.keyCache),
        .updates("valueCache", \.valueCache),
    ]
}
