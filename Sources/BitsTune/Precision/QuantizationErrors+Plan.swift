public import BitsModels
import BitsNN
public import BitsQuant

/// A form for each layer, with what that takes and costs.
public struct PlannedPrecision: Sendable, Equatable {
    public let plan: QuantizationPlan
    /// Bytes of the weights of all layers, those that stay as they are included.
    public let byteCount: Int
    /// What the forms cost together, see ``LayerErrors/cost(of:)``; in nats a token where that counts the loss.
    public let cost: Double
    /// What no choice among the same forms within the same bytes costs less than.
    public let leastCost: Double
}

extension QuantizationErrors {
    /// Why there is no plan.
    public enum PlanError: Error, Equatable, Sendable {
        /// The smallest form of every layer takes more.
        case budgetTooSmall(Int, least: Int)
    }

    /// The forms that cost least within `byteCount` bytes: each of the layers that may be quantized gets one of those that were measured, or stays as it is.
    ///
    /// The budget is kept. The cost is at most what one step of one layer saves above the least there is, and ``PlannedPrecision/leastCost`` says how near it
    /// came.
    ///
    /// - Parameters:
    ///   - byteCount: of the weights of all layers, those that are left as they are included.
    ///   - modelType: as in config.json.
    ///   - takes: whether a layer may be quantized; by default linear layers that are not kept otherwise, see ``BitsNN/Module/keptByDefault``.
    /// - Throws: ``PlanError`` where the budget cannot be kept.
    public func plan(
        within byteCount: Int, modelType: String, taking takes: (LayerErrors) -> Bool = { $0.isTakenByDefault }
    ) throws(PlanError) -> PlannedPrecision {
        let items = layers.map { options(of: $0, isTaken: takes($0)) }
        let choices = items.map { $0.map { MixedChoice.Option(byteCount: $0.byteCount, cost: $0.cost) } }
        guard let choice = MixedChoice(choices, budget: byteCount) else {
            throw .budgetTooSmall(byteCount, least: choices.reduce(0) { $0 + ($1.map(\.byteCount).min() ?? 0) })
        }
        let forms = zip(items, choice.picks).map { $0[$1].form }
        return PlannedPrecision(
            plan: plan(modelType: modelType, forms: forms), byteCount: choice.byteCount, cost: choice.cost(of: choices), leastCost: choice.leastCost)
    }

    /// The plan that gives all layers `form`.
    public func uniformPlan(
        _ form: Quantization, modelType: String, taking takes: (LayerErrors) -> Bool = { $0.isTakenByDefault }
    ) -> PlannedPrecision {
        let chosen = layers.map { takes($0) ? $0.errors(under: form) : nil }
        let byteCount = zip(layers, chosen).reduce(0) { $0 + ($1.1?.byteCount ?? $1.0.byteCount) }
        let cost = zip(layers, chosen).reduce(0) { sum, pair in sum + (pair.1.map { pair.0.cost(of: $0) } ?? 0) }
        return PlannedPrecision(plan: plan(modelType: modelType, forms: chosen.map { $0?.form }), byteCount: byteCount, cost: cost, leastCost: cost)
    }

    private func plan(modelType: String, forms: [Quantization?]) -> QuantizationPlan {
        QuantizationPlan(modelType: modelType, layers: zip(layers, forms).map { .init(path: $0.path, shape: $0.shape, form: $1) })
    }

    /// What may become of a layer: it stays as it is, or takes one of the forms whose error is a number.
    private func options(of layer: LayerErrors, isTaken: Bool) -> [(form: Quantization?, byteCount: Int, cost: Double)] {
        let forms = isTaken ? layer.forms : []
        return [(nil, layer.byteCount, 0)] + forms.map { ($0.form, $0.byteCount, layer.cost(of: $0)) }.filter { $0.2.isFinite }
    }
}

extension LayerErrors {
    /// Whether a quantization of linear layers takes the layer unless it is told otherwise.
    public var isTakenByDefault: Bool { role == .linear && keptByDefault == nil }
}

extension QuantizationErrors.PlanError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .budgetTooSmall(let budget, let least):
            "a budget of \(budget) bytes; the smallest forms take \(least): allow more, or more forms and layers"
        }
    }
}
