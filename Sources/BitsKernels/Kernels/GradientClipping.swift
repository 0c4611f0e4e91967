/// The norms of many arrays: `result[2 i] = sqrt(sum x^2)` over the finite elements of `inputs[i]`, rounded once, and `result[2 i + 1]` = how many of its
/// elements are not finite.
///
/// Squares are added in double precision, in an order that is part of the contract: elements in chunks of 4096; within a chunk, element i goes into
/// running sum i mod 16, then s[i] += s[i + h] for i < h, h = 8, 4, 2, 1; chunks join one after the other.
package struct VectorNorm: Kernel {
    package static let name = "vector_norm"
    /// float32, float16 or bfloat16
    package var inputs: [Slice]
    /// Elements of a chunk: `CHUNK` of `clipping.cu`.
    static let chunkSize = 4096
    /// float32 [2 inputs]
    package var result: Slice
    /// What a device keeps of the arrays for norms of the same ones; nil where there are none to come.
    package var kept: KeptOperands?

    package init(_ inputs: [Slice], into result: Slice, keptIn kept: KeptOperands? = nil) {
        for input in inputs { precondition(input.dtype.isFloatingPoint, "the norm of \(input.dtype.rawValue) elements") }
        precondition(
            result.dtype == .float32 && result.count == 2 * inputs.count,
            "the norms of \(inputs.count) arrays in \(result.dtype.rawValue) [\(result.count)]")
        (self.inputs, self.result, self.kept) = (inputs, result, kept)
    }

    /// How many chunks an array of `count` elements has.
    static func chunkCount(of count: Int) -> Int { (count + chunkSize - 1) / chunkSize }

    package static let operandList: OperandList<Self> = [.reads("inputs", \.inputs), .writes("result", \.result)]
}

/// The factor that gradients are multiplied by so that their norm, taken together, is at most `limit` after it.
///
/// `result = [fl(scale * min(1, fl(limit / fl(total + 1e-6)))), total, others]`, where `total` is `scale * sqrt(sum norms[2 i]^2)` taken in double
/// precision and rounded, and `others` the sum of `norms[2 i + 1]`.
package struct ClipToNorm: Kernel {
    package static let name = "clip_to_norm"
    /// float32 [2 gradients], from ``VectorNorm``
    package var norms: Slice
    /// What gradients are multiplied by in any case, as where the loss was scaled.
    package var scale: Float
    /// Infinite: no clipping, only the total.
    package var limit: Float
    /// float32 [3]
    package var result: Slice

    package init(_ norms: Slice, scale: Float = 1, limit: Float, into result: Slice) {
        precondition(norms.dtype == .float32 && norms.count % 2 == 0, "norms in \(norms.dtype.rawValue) [\(norms.count)]")
        precondition(result.dtype == .float32 && result.count == 3, "the result of clipping is float32 [3]")
        (self.norms, self.scale, self.limit, self.result) = (norms, scale, limit, result)
    }

    package static let operandList: OperandList<Self> = [.reads("norms", \.norms), .writes("result", \.result)]
}

/// The factors that bring gradients down to a percentile of the norms of their last hundred steps, each its own.
///
/// At step t (from 1) the squared norm `fl(n * n)`, with `n = fl(scale * norm)`, takes place t mod 100 of the history, at the first step every place.
/// With the history in ascending order, `clip = sqrt(sorted[percentile])`, `current = sqrt(history[t mod 100])`, and the factor is
/// `fl(scale * fl(clip / current))` where `current > clip`, else `scale`. Original: `percentile_clipping`.
package struct ClipToPercentile: Kernel {
    package static let name = "clip_to_percentile"
    package static let historyCount = 100

    /// What is known of one gradient.
    package struct Gradient: OperandGroup {
        /// float32 [100], squared norms; changed in place
        package var history: Slice
        package var step: Int
        /// 0...99
        package var percentile: Int

        package init(history: Slice, step: Int, percentile: Int) {
            precondition(history.dtype == .float32 && history.count == ClipToPercentile.historyCount, "a history is float32 [100]")
            precondition(step >= 1 && (0..<100).contains(percentile), "percentile \(percentile) at step \(step)")
            (self.history, self.step, self.percentile) = (history, step, percentile)
        }

        package static let operandList: OperandList<Self> = [.updates("history", \.history)]
    }

    /// float32 [2 gradients], from ``VectorNorm``
    package var norms: Slice
    package var gradients: [Gradient]
    /// What gradients are multiplied by in any case.
    package var scale: Float
    /// float32 [gradients]
    package var factors: Slice

    package init(_ gradients: [Gradient], norms: Slice, scale: Float = 1, into factors: Slice) {
        precondition(
            norms.dtype == .float32 && norms.count == 2 * gradients.count, "norms of \(gradients.count) gradients in \(norms.count) numbers")
        precondition(
            factors.dtype == .float32 && factors.count == gradients.count, "factors of \(gradients.count) gradients in \(factors.count) numbers")
        (self.norms, self.gradients, self.scale, self.factors) = (norms, gradients, scale, factors)
    }

    package static let operandList: OperandList<Self> = [.reads("norms", \.norms), .group("gradients", \.gradients), .writes("factors", \.factors)]
}

/// `x = fl(scale[0] * x)` for every element x of many arrays, in place, rounded to their types; elements above `limit` in magnitude then become it.
package struct ScaleInPlace: Kernel {
    package static let name = "scale_in_place"
    /// float32, float16 or bfloat16
    package var values: [Slice]
    /// float32 [1] or its first element; nil for 1
    package var scale: Slice?
    package var limit: Float

    package init(_ values: [Slice], by scale: Slice? = nil, limit: Float = .infinity) {
        for slice in values { precondition(slice.dtype.isFloatingPoint, "scaling \(slice.dtype.rawValue) elements") }
        (self.values, self.scale, self.limit) = (values, scale, limit)
    }

    package static let operandList: OperandList<Self> = [.updates("values", \.values), .reads("scale", \.scale)]
}
