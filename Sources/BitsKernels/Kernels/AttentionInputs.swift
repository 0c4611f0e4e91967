/// The sizes of an attention kernel, and its options that are numbers.
///
/// B = `batch`, Tq = `queries`, Tk = `keys`, N = `heads`, G = `groups` (key and value heads; N % G == 0), H = `headWidth`, Hv = `valueWidth`.
/// Keys and values of one batch entry lie `keyStride` tokens from the next one's (a cache has room for more than Tk).
package struct AttentionShape: Sendable, Equatable {
    package var batch: Int
    package var queries: Int
    package var keys: Int
    package var keyStride: Int
    package var heads: Int
    package var groups: Int
    package var headWidth: Int
    package var valueWidth: Int
    /// Multiplies the products of queries and keys; usually `1 / sqrt(headWidth)`.
    package var scale: Float
    /// What the scaled products cannot pass, either way; nil where nothing bounds them.
    package var cap: Float?
    package var window: AttentionWindow?

    package init(
        batch: Int, queries: Int, keys: Int, keyStride: Int? = nil, heads: Int, groups: Int, headWidth: Int, valueWidth: Int? = nil, scale: Float,
        cap: Float? = nil, window: AttentionWindow? = nil
    ) {
        precondition(groups > 0 && heads % groups == 0, "\(heads) heads cannot share \(groups) key heads")
        (self.batch, self.queries, self.keys, self.keyStride, self.heads) = (batch, queries, keys, keyStride ?? keys, heads)
        (self.groups, self.headWidth, self.valueWidth) = (groups, headWidth, valueWidth ?? headWidth)
        (self.scale, self.cap, self.window) = (scale, cap, window)
    }

    /// Pairs of a query and a head.
    package var rows: Int { batch * heads * queries }
    package var outputCount: Int { rows * valueWidth }
    /// Elements of the keys, and of the values, from the first to the last that counts.
    package var keyCount: Int { storedKeys * groups * headWidth }
    package var valueCount: Int { storedKeys * groups * valueWidth }
    private var storedKeys: Int { batch == 0 ? 0 : (batch - 1) * keyStride + keys }
}

/// Narrows the keys that a query sees within its range.
public enum AttentionWindow: Sendable, Equatable {
    /// The last so many keys of the range: the sliding window of a causal model, which counts the token itself.
    case last(Int)
    /// The keys no farther than this from the query's own index, before or behind it; for queries and keys of the same tokens.
    case around(Int)

    /// What is left of `range` for query `query`; the range may be empty.
    func narrowed(_ range: Range<Int>, query: Int) -> Range<Int> {
        switch self {
        case .last(let count): max(range.lowerBound, range.upperBound - count)..<range.upperBound
        case .around(let distance): range.clamped(to: query - distance..<query + distance + 1)
        }
    }
}

/// What attention adds to its scores.
package enum AttentionBiasOperands: OperandGroup {
    /// `slopes[n] * (k - last)`, `last` the last key that the row sees: ALiBi. float32 [N].
    case slopes(Slice)
    /// `byQuery[b, n, q, c] + byKey[b, n, k, c]` with `c = buckets[q - k + Tk - 1]`, nothing where C has no such bucket; either may be missing.
    /// float32 [B, N, Tq, C] and [B, N, Tk, C], int32 [Tq + Tk - 1].
    case relative(byQuery: Slice?, byKey: Slice?, buckets: Slice, count: Int)

    package static let operandList: OperandList<Self> = [
        .visiting { bias, visitor in
            switch bias {
            case .slopes(var slopes):
                visitor.reads("slopes", &slopes)
                bias = .slopes(slopes)
            case .relative(var byQuery, var byKey, var buckets, let count):
                visitor.reads("byQuery", &byQuery)
                visitor.reads("byKey", &byKey)
                visitor.reads("buckets", &buckets)
                bias = .relative(byQuery: byQuery, byKey: byKey, buckets: buckets, count: count)
            }
        }
    ]
}

/// What attention reads, and its gradient reads again.
///
/// Shapes: query [B, Tq, N, H], key [B, keyStride, G, H] and value [B, keyStride, G, Hv] of which Tk tokens count, keyRanges int32 [B, Tq, 2]. Query q of
/// batch entry b sees the keys in `[keyRanges[b, q, 0], keyRanges[b, q, 1])` that there are, narrowed by the shape's window.
package struct AttentionInputs: OperandGroup {
    package var shape: AttentionShape
    package var query: Slice
    package var key: Slice
    package var value: Slice
    package var keyRanges: Slice
    package var bias: AttentionBiasOperands?

    package init(_ shape: AttentionShape, query: Slice, key: Slice, value: Slice, keyRanges: Slice, bias: AttentionBiasOperands? = nil) {
        precondition(
            query.count == shape.rows * shape.headWidth && key.count >= shape.keyCount && value.count >= shape.valueCount
                && keyRanges.count == shape.batch * shape.queries * 2 && keyRanges.dtype == .int32, "attention operands do not fit \(shape)")
        precondition(shape.cap ?? 1 > 0, "scores bounded by \(shape.cap!)")
        switch shape.window {
        case nil: break
        case .last(let count): precondition(count > 0, "a window of the last \(count) keys")
        case .around(let distance):
            precondition(
                distance >= 0 && shape.queries == shape.keys, "a window of \(distance) around \(shape.queries) queries of \(shape.keys) keys")
        }
        switch bias {
        case nil: break
        case .slopes(let slopes):
            precondition(slopes.count == shape.heads && slopes.dtype == .float32, "\(slopes.count) slopes for \(shape.heads) heads")
        case .relative(let byQuery, let byKey, let buckets, let count):
            precondition(
                (byQuery == nil || byQuery!.count == shape.rows * count && byQuery!.dtype == .float32)
                    && (byKey == nil || byKey!.count == shape.batch * shape.heads * shape.keys * count && byKey!.dtype == .float32)
                    && buckets.count == max(shape.queries + shape.keys - 1, 0) && buckets.dtype == .int32,
                "a relative bias of \(count) buckets does not fit \(shape)")
        }
        (self.shape, self.query, self.key, self.value, self.keyRanges, self.bias) = (shape, query, key, value, keyRanges, bias)
    }

    package static let operandList: OperandList<Self> = [
        .reads("query", \.query), .reads("key", \.key), .reads("value", \.value), .reads("keyRanges", \.keyRanges), .group("bias", \.bias),
    ]
}
