/// `result[0] = sqrt(sum x[i]^2)` over the finite elements of `input`, rounded once; `result[1]` = how many elements are not finite.
///
/// Squares are added in double precision, in an order that is part of the contract: elements in chunks of 4096; within a chunk, element i goes into
/// running sum i mod 16, then s[i] += s[i + h] for i < h, h = 8, 4, 2, 1; chunks join one after the other.
package struct VectorNorm: Kernel {
    package static let name = "vector_norm"
    /// float32, float16 or bfloat16
    package var input: Slice
    /// float32 [2]
    package var result: Slice

    package init(_ input: Slice, into result: Slice) {
        precondition(input.dtype.isFloatingPoint, "the norm of \(input.dtype.rawValue) elements")
        precondition(result.dtype == .float32 && result.count == 2, "the result of a norm is float32 [2]")
        self.input = input
        self.result = result
    }

    package mutating func visitOperands(_ visitor: inout OperandVisitor) {
        visitor.reads("input", &input)
        visitor.writes("result", &result)
    }
}

/// The factor that brings the norm of many gradients down to `limit`: `result = [min(1, fl(limit / fl(total + 1e-6))), total, others]`, where `total` is
/// `sqrt(sum norms[i][0]^2)` taken in double precision and rounded, and `others` the sum of `norms[i][1]`.
package struct ClipToNorm: Kernel {
    package static let name = "clip_to_norm"
    /// float32 [2] each, from ``VectorNorm``
    package var norms: [Slice]
    /// Infinite: no clipping, only the total.
    package var limit: Float
    /// float32 [3]
    package var result: Slice

    package init(_ norms: [Slice], limit: Float, into result: Slice) {
        precondition(norms.allSatisfy { $0.dtype == .float32 && $0.count == 2 }, "norms are float32 [2]")
        precondition(result.dtype == .float32 && result.count == 3, "the result of clipping is float32 [3]")
        self.norms = norms
        self.limit = limit
        self.result = result
    }

    package mutating func visitOperands(_ visitor: inout OperandVisitor) {
        visitor.reads("norms", &norms)
        visitor.writes("result", &result)
    }
}

/// The factor that brings a gradient down to a percentile of the norms of its last hundred steps.
///
/// At step t (from 1) the squared norm takes place t mod 100 of the history, at the first step every place. With the history in ascending order,
/// `clip = sqrt(sorted[percentile])`, `current = sqrt(history[t mod 100])`, `scale = current > clip ? clip / current : 1`.
/// Original: `percentile_clipping`.
package struct ClipToPercentile: Kernel {
    package static let name = "clip_to_percentile"
    package static let historyCount = 100
    /// float32 [2], from ``VectorNorm``
    package var norm: Slice
    /// float32 [100], squared norms; changed in place
    package var history: Slice
    package var step: Int
    /// 0...99
    package var percentile: Int
    /// float32 [1]
    package var scale: Slice

    package init(norm: Slice, history: Slice, step: Int, percentile: Int, scale: Slice) {
        precondition(norm.dtype == .float32 && norm.count == 2, "a norm is float32 [2]")
        precondition(history.dtype == .float32 && history.count == ClipToPercentile.historyCount, "a history is float32 [100]")
        precondition(step >= 1 && (0..<100).contains(percentile), "percentile \(percentile) at step \(step)")
        precondition(scale.dtype == .float32 && scale.count == 1, "a scale is float32 [1]")
        self.norm = norm
        self.history = history
        self.step = step
        self.percentile = percentile
        self.scale = scale
    }

    package mutating func visitOperands(_ visitor: inout OperandVisitor) {
        visitor.reads("norm", &norm)
        visitor.updates("history", &history)
        visitor.writes("scale", &scale)
    }
}

/// `values[i] = fl(scale[0] * values[i])`, in place, rounded to the type of `values`; elements above `limit` in magnitude then become it.
package struct ScaleInPlace: Kernel {
    package static let name = "scale_in_place"
    /// float32, float16 or bfloat16
    package var values: Slice
    /// float32 [1] or its first element; nil for 1
    package var scale: Slice?
    package var limit: Float

    package init(_ values: Slice, by scale: Slice? = nil, limit: Float = .infinity) {
        precondition(values.dtype.isFloatingPoint, "scaling \(values.dtype.rawValue) elements")
        self.values = values
        self.scale = scale
        self.limit = limit
    }

    package mutating func visitOperands(_ visitor: inout OperandVisitor) {
        visitor.updates("values", &values)
        visitor.reads("scale", &scale)
    }
}
