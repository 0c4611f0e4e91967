public import BitsCore

/// What loading did with a model's layers.
public struct LoadReport: Sendable, Equatable {
    /// Paths of the linear layers that are quantized, and those kept as they were with the reason.
    public var quantized: [String] = []
    public var kept: [(path: String, reason: String)] = []
    /// Layers whose weights held NaN or infinities when they were quantized, with how many.
    public var nonFinite: [(path: String, count: Int)] = []
    /// Entries of the checkpoint that the model did not ask for.
    public var unused: [String] = []
    /// Entries of the skip list that matched no layer.
    public var unmatchedSkips: [String] = []
    /// How the checkpoint is quantized itself (`nf4`, ...), where that took the place of what was asked for.
    public var storedMethod: String?
    /// Layers that the checkpoint holds in floating point although config.json says that it is quantized.
    public var unpacked: [String] = []
    /// What the products of 4-bit layers round their operands to; see ``LoadOptions/computeDType``.
    public var computeDType = DType.float32
    /// Where config.json and the checkpoint do not say the same of its quantization, or ask for what is not there; a line each.
    public var quantizationWarnings: [String] = []
    /// What deserves attention in generation_config.json, a line each.
    public var generationWarnings: [String] = []
    /// Bytes of the weights in the checkpoint, and as they are now.
    public var checkpointByteCount = 0
    public var byteCount = 0

    package init() {}

    public static func == (a: LoadReport, b: LoadReport) -> Bool {
        a.quantized == b.quantized && a.kept.elementsEqual(b.kept, by: ==) && a.nonFinite.elementsEqual(b.nonFinite, by: ==) && a.unused == b.unused
            && a.unmatchedSkips == b.unmatchedSkips && a.generationWarnings == b.generationWarnings && a.storedMethod == b.storedMethod
            && a.unpacked == b.unpacked && a.computeDType == b.computeDType && a.quantizationWarnings == b.quantizationWarnings
            && a.checkpointByteCount == b.checkpointByteCount && a.byteCount == b.byteCount
    }

    /// What a user should be told, a line each.
    public var warnings: [String] {
        (storedMethod.map { ["the checkpoint is quantized already (\($0)) and stays so; the quantization asked for does nothing"] } ?? [])
            + quantizationWarnings
            + nonFinite.map { "\($0.path): \($0.count) weights are NaN or infinite; NaN was quantized to code 0" }
            + generationWarnings + unmatchedSkips.map { "skip '\($0)' matched no layer" }
            + LoadReport.counted(unpacked, "layers are not quantized in the checkpoint, though config.json says so; they were quantized on loading")
            + LoadReport.counted(unused, "tensors of the checkpoint were not used")
    }

    static func counted(_ names: [String], _ text: String) -> [String] {
        names.isEmpty ? [] : ["\(names.count) \(text): \(names.prefix(5).joined(separator: ", "))"]
    }
}
