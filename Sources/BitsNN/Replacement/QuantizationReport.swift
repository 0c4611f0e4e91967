/// What a quantization did with the layers of a model: which are quantized, which are not and why, and what it saved.
public struct QuantizationReport: Sendable, Equatable {
    /// A layer that is quantized now.
    public struct Layer: Sendable, Equatable {
        public let path: String
        /// `nf4`, `fp4` or `int8`.
        public let form: String
        /// Bytes of its weights before, and now with their scales.
        public let byteCountBefore: Int
        public let byteCount: Int
        /// Weights that were NaN or infinite when they were quantized.
        public let nonFiniteCount: Int
    }

    /// A layer that stays as it was.
    public struct Kept: Sendable, Equatable {
        public let path: String
        public let reason: String
        public let byteCount: Int
    }

    public internal(set) var quantized: [Layer] = []
    public internal(set) var kept: [Kept] = []
    /// Entries of the skip list that matched no layer.
    public internal(set) var unmatchedSkips: [String] = []
    /// Bytes of all weights of the model, before and now.
    public internal(set) var byteCountBefore = 0
    public internal(set) var byteCount = 0

    /// What a user should be told, a line each.
    public var warnings: [String] {
        quantized.filter { $0.nonFiniteCount > 0 }.map {
            "\($0.path): \($0.nonFiniteCount) weights are NaN or infinite; NaN was quantized to code 0"
        } + unmatchedSkips.map { "skip '\($0)' matched no layer" } + (quantized.isEmpty ? ["no layer was quantized"] : [])
    }
}

extension QuantizationReport: CustomStringConvertible {
    /// A line for each layer, and one for the sum.
    public var description: String {
        let lines =
            quantized.map { "\($0.path): \($0.form), \($0.byteCountBefore) bytes became \($0.byteCount)" }
            + kept.map { "\($0.path): kept, \($0.reason), \($0.byteCount) bytes" }
        return (lines + ["\(quantized.count) layers quantized, \(kept.count) kept; \(byteCountBefore) bytes became \(byteCount)"])
            .joined(separator: "\n")
    }
}
