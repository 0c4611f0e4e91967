public import BitsCore
public import BitsIO
import BitsModels
import BitsNN
public import BitsQuant

/// A model's folder looked at with a text: what each form of quantization does to its layers, which mix is best, and what that does to the loss.
///
/// The model is loaded as it is to be measured, and let go; each loss loads it again, in the form that is asked for, so that it is in memory once.
public struct PrecisionStudy {
    /// Mean negative log-likelihoods a token, in nats, over the same windows.
    public struct Losses: Sendable, Equatable {
        /// Of the model as it is, in the yardstick's form, and as planned.
        public let plain: Double
        public let yardstick: Double
        public let planned: Double
        public let tokens: Int
    }

    /// What plans are compared with: NF4 with double quantization, blocks of 64.
    public static let yardstick = Quantization.fourBit(.nf4)

    public let folder: ModelFolder
    public let modelType: String
    public let errors: QuantizationErrors
    /// The layers that plans may quantize.
    public let taken: Set<String>
    /// Bytes of the weights that belong to no layer.
    private let otherByteCount: Int
    private let device: Device
    /// Tokens that nothing was measured on; all where too few are left.
    private let unseen: [Int32]

    /// Loads the model of `folder` and measures it on the first windows of `text`.
    ///
    /// - Parameters:
    ///   - window: tokens of each, at most the model's context.
    ///   - windows: how many.
    ///   - forms: what to measure; ``yardstick`` has to be among them.
    ///   - taken: paths of the layers that plans may quantize.
    ///   - progress: called with the share of the layers that are done.
    /// - Throws: ``BitsIO/ModelFileError``, ``BitsTune/EvaluationError``, ``BitsQuant/QuantizationError``.
    public init(
        _ folder: ModelFolder, text: String, window: Int, windows: Int, forms: [Quantization], on device: Device = .cpu, taking taken: Set<String>,
        progress: @escaping (Double) -> Void = { _ in }
    ) throws {
        precondition(forms.contains(PrecisionStudy.yardstick), "forms without nf4-dq")
        let configuration = try ModelConfiguration(folder)
        let tokenizer = try Tokenizer(folder)
        let tokens = tokenizer.encode(text, addsSpecialTokens: false)
        guard let task = type(of: try ModelRegistry.model(configuration)) as? any RegisteredTask.Type else {
            throw ModelFileError.unsupported(path: folder.description, "is a model for no task that is known here")
        }
        let model = try PrecisionStudy.load(task, folder, on: device)
        let frame = model is CausalLanguageModel ? TokenFrame() : TokenFrame(of: tokenizer)
        let length = min(window, model.contextLength) - frame.count
        guard length >= 2 else { throw EvaluationError.windowOutOfRange(window, context: model.contextLength) }
        let count = min(tokens.count / length, windows)
        guard count > 0 else { throw EvaluationError.textTooShort(tokens: tokens.count, window: length) }
        let sequences = (0..<count).map { frame.before + tokens[$0 * length..<($0 + 1) * length] + frame.behind }
        errors = try model.quantizationErrors(on: sequences, under: forms, progress: progress)
        otherByteCount = model.byteCount - errors.byteCount
        (self.folder, modelType, self.taken, self.device) = (folder, configuration.modelType, taken, device)
        let rest = Array(tokens[(count * length)...])
        unseen = rest.count >= length ? rest : tokens
    }

    private static func load<Task: RegisteredTask>(_ task: Task.Type, _ folder: ModelFolder, on device: Device) throws(ModelFileError)
        -> BackboneModel
    {
        try Task.load(folder, options: LoadOptions(device: device)).model
    }

    /// The forms that cost least within `byteCount` bytes of all weights of the model, see ``QuantizationErrors/plan(within:modelType:taking:)``.
    ///
    /// - Throws: ``QuantizationErrors/PlanError``.
    public func plan(within byteCount: Int) throws(QuantizationErrors.PlanError) -> PlannedPrecision {
        do {
            return try errors.plan(within: byteCount - otherByteCount, modelType: modelType) { taken.contains($0.path) }
        } catch {
            switch error {
            case .budgetTooSmall(_, let least): throw .budgetTooSmall(byteCount, least: least + otherByteCount)
            }
        }
    }

    /// What it takes and costs to give all layers that may be quantized `form`.
    public func uniform(_ form: Quantization) -> PlannedPrecision { errors.uniformPlan(form, modelType: modelType) { taken.contains($0.path) } }

    /// Bytes of all weights of the model as `planned`.
    public func byteCount(of planned: PlannedPrecision) -> Int { planned.byteCount + otherByteCount }

    /// Bytes of all weights of the model where the layers that may be quantized have `bits` bits each.
    public func byteCount(bits: Double) -> Int {
        let (numbers, others) = errors.layers.reduce((0, 0)) { taken.contains($1.path) ? ($0.0 + $1.count, $0.1) : ($0.0, $0.1 + $1.byteCount) }
        return Int(Double(numbers) * bits / 8) + others + otherByteCount
    }

    /// Bits a weight that `planned` gives the layers that may be quantized.
    public func bits(of planned: PlannedPrecision) -> Double {
        let (numbers, others) = errors.layers.reduce((0, 0)) { taken.contains($1.path) ? ($0.0 + $1.count, $0.1) : ($0.0, $0.1 + $1.byteCount) }
        return 8 * Double(planned.byteCount - others) / Double(numbers)
    }

    /// Measures the loss of a language model on the part of the text that nothing was measured on, in windows of at most 512 tokens.
    ///
    /// - Throws: ``BitsIO/ModelFileError``, also for a model that is made for something else; ``BitsTune/EvaluationError``.
    public func losses(of planned: PlannedPrecision, progress: (Double) -> Void = { _ in }) throws -> Losses {
        var done = 0.0
        func evaluation(_ plan: QuantizationPlan?) throws -> Evaluation {
            let model = try LoadedModel(folder, options: LoadOptions(plan?.quantization() ?? ModelQuantization(), device: device)).model
            let windows = try EvaluationWindows(unseen, length: min(512, model.contextLength, unseen.count), model: model)
            defer { done += 1 / 3 }
            return try model.evaluate(windows) { progress(done + $0 / 3) }
        }
        let plain = try evaluation(nil)
        return Losses(
            plain: plain.nll, yardstick: try evaluation(uniform(PrecisionStudy.yardstick).plan).nll, planned: try evaluation(planned.plan).nll,
            tokens: plain.tokens)
    }
}
