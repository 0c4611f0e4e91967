public import BitsCore

/// What loading or quantizing did with the layers of a model: which are quantized, which are not and why, and what it saved.
public struct ModelReport: Sendable, Equatable {
    /// A layer that is quantized now.
    public struct Layer: Sendable, Equatable {
        public let path: String
        /// `nf4`, `fp4` or `int8`.
        public let form: String
        public let role: ModelPlan.Layer.Role
        /// Whether it was quantized already where it was loaded from.
        public let wasQuantized: Bool
        /// Bytes of its weights before, and now with their scales.
        public let byteCountBefore: Int
        public let byteCount: Int
        /// Weights that were NaN or infinite when they were quantized.
        public let nonFiniteCount: Int

        package init(
            path: String, form: String, role: ModelPlan.Layer.Role, wasQuantized: Bool = false, byteCountBefore: Int, byteCount: Int,
            nonFiniteCount: Int
        ) {
            (self.path, self.form, self.role, self.wasQuantized) = (path, form, role, wasQuantized)
            (self.byteCountBefore, self.byteCount, self.nonFiniteCount) = (byteCountBefore, byteCount, nonFiniteCount)
        }
    }

    /// A layer that stays as it was, though the quantization asks for layers like it.
    public struct Kept: Sendable, Equatable {
        public let path: String
        public let reason: String
        public let byteCount: Int

        package init(path: String, reason: String, byteCount: Int) {
            (self.path, self.reason, self.byteCount) = (path, reason, byteCount)
        }
    }

    public package(set) var quantized: [Layer] = []
    /// How much of the model's linear layers that is.
    public package(set) var coverage = QuantizationCoverage([], quantized: [])
    public package(set) var kept: [Kept] = []
    /// Entries of the skip list that matched no layer.
    public package(set) var unmatchedSkips: [String] = []
    /// Entries of the checkpoint that the model did not ask for.
    public package(set) var unused: [String] = []
    /// What else a user should be told, a line each.
    public package(set) var notes: [String] = []
    /// What products round their operands to; see ``LoadOptions/computeDType``.
    public package(set) var computeDType = DType.float32
    /// Bytes of all weights of the model, before (of a checkpoint: of all its entries) and now.
    public package(set) var byteCountBefore = 0
    public package(set) var byteCount = 0

    package init() {}

    /// The layers whose weights held NaN or infinities when they were quantized.
    public var nonFinite: [Layer] { quantized.filter { $0.nonFiniteCount > 0 } }

    /// What a user should be told, a line each.
    public var warnings: [String] {
        notes + nonFinite.map { "\($0.path): \($0.nonFiniteCount) weights are NaN or infinite; NaN was quantized to code 0" }
            + unmatchedSkips.map { "skip '\($0)' matched no layer" }
            + ModelReport.counted(unused, "tensors of the checkpoint were not used")
    }

    package static func counted(_ names: [String], _ text: String) -> [String] {
        names.isEmpty ? [] : ["\(names.count) \(text): \(names.prefix(5).joined(separator: ", "))"]
    }
}

extension ModelReport: CustomStringConvertible {
    /// A line for each layer, and one for the sum.
    public var description: String {
        let lines =
            quantized.map { "\($0.path): \($0.form), \($0.byteCountBefore) bytes became \($0.byteCount)" }
            + kept.map { "\($0.path): kept, \($0.reason), \($0.byteCount) bytes" }
        return (lines + ["\(quantized.count) layers quantized, \(kept.count) kept; \(byteCountBefore) bytes became \(byteCount)"])
            .joined(separator: "\n")
    }
}
