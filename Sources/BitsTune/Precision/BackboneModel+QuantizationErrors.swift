import BitsCore
public import BitsModels
import BitsNN
public import BitsQuant

extension BackboneModel {
    /// Measures what each of `forms` would make of each layer that can be quantized: of its weights, and of what it computes of the inputs that this model,
    /// as it is, gives it on `sequences`.
    ///
    /// How much of an error reaches the loss differs from layer to layer by orders of magnitude, so that is measured too where there is a loss: for a language
    /// model, one backward pass a sequence tells each layer's ``BitsTune/LayerErrors/influence``.
    ///
    /// The sequences run once, packed into one pass, and are observed on the way: beside the model, memory holds one layer in one form, its input and its
    /// output. Everything is compared in float32, whatever the model's policy; an int8 layer quantizes its input, as it does when it runs.
    ///
    /// - Parameters:
    ///   - sequences: tokens of a text that is like what the model is for. A thousand tokens tell layers apart.
    ///   - progress: called with the share of the layers that are done.
    /// - Throws: ``BitsTune/EvaluationError`` for sequences that the model cannot take or a model that computes NaN, ``BitsQuant/QuantizationError`` for a form
    ///   that does not fit a layer. The model is what it was.
    public func quantizationErrors(
        on sequences: [[Int32]], under forms: [Quantization], progress: @escaping (Double) -> Void = { _ in }
    ) throws -> QuantizationErrors {
        try check(sequences)
        let layers = ModelPlan(self).layers
        let meters = Dictionary(layers.map { ($0.path, LayerMeter($0, forms: forms)) }) { first, _ in first }
        let modules = Dictionary(namedModules()) { first, _ in first }
        var failure: (any Error)?
        var done: Set<String> = []
        let observer: LayerObserver = { path, layer, input, output in
            guard failure == nil, let meter = meters[path] else { return output }
            do { try meter.take(input, of: layer) } catch { failure = error }
            done.insert(path)
            progress(Double(done.count) / Double(meters.count))
            return output
        }
        let tokens = TokenBatch(packing: sequences, device: computeDevice)
        noGradient { observing(Set(meters.keys), by: observer) { run(tokens) } }
        if let failure { throw failure }
        let influences = try (self as? CausalLanguageModel)?.influences(of: Set(meters.keys), on: sequences) ?? [:]
        let count = sequences.reduce(0) { $0 + $1.count }
        let errors = try layers.compactMap { layer in
            guard let meter = meters[layer.path], let module = modules[layer.path] else { return nil as LayerErrors? }
            return try meter.errors(module, tokens: count, influence: influences[layer.path])
        }
        guard !errors.contains(where: { $0.influence.isNaN || $0.forms.contains { $0.outputs?.isNaN == true } }) else {
            throw EvaluationError.notANumber(windows: 0..<sequences.count)
        }
        return QuantizationErrors(layers: errors, forms: forms, tokens: count, countsLoss: !influences.isEmpty)
    }

    /// Computes all that the model does of `tokens`.
    private func run(_ tokens: TokenBatch) {
        switch self {
        case let model as any TokenTask: _ = model.logits(tokens)
        case let model as SequenceClassifier: _ = model.scores(tokens)
        default: _ = summaries(tokens)
        }
    }

    /// Refuses what the model cannot take.
    private func check(_ sequences: [[Int32]]) throws(EvaluationError) {
        guard !sequences.isEmpty else { throw .noWindows }
        for (index, ids) in sequences.enumerated() {
            guard 1...contextLength ~= ids.count else { throw .lengthOutOfRange(ids.count, context: contextLength, example: index) }
            if let token = ids.first(where: { $0 < 0 || Int($0) >= vocabularySize }) { throw .unknownToken(token, vocabulary: vocabularySize) }
        }
    }
}
