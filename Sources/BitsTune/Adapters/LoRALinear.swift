public import BitsCore
public import BitsNN

/// A linear layer with a trained low-rank update: `base(x) + scale * (x · Aᵀ) · Bᵀ`.
///
/// It holds its base layer, so one adapter serves every precision. Sums are float32, and so are both factors unless told otherwise; products round their
/// operands as the model's policy has all products do, which is what PEFT computes under autocast.
///
/// With a ``magnitude`` m the weight is decomposed: its rows have the norms m, whatever the update makes of them,
/// `m / ‖W + scale · B · A‖ * (W + scale · B · A)`, where the norm counts as a constant in gradients.
/// Hu et al. 2021, "LoRA", arXiv:2106.09685. Liu et al. 2024, "DoRA", arXiv:2402.09353. Reference: PEFT's `lora.Linear`.
public final class LoRALinear: Module, LinearLayer, LoRALayer, RoundingLayer {
    @Child("base_layer") public var base: any LinearLayer
    @Weight("lora_A.weight") public var down: Parameter
    @Weight("lora_B.weight") public var up: Parameter
    @Weight("lora_B.bias") public var upBias: Parameter?
    @Weight("lora_magnitude_vector") public var magnitude: Parameter?
    public let scale: Float
    public let dropout: Float
    public var share: Float = 1
    /// What the update's products round their operands to; see ``BitsNN/RoundingLayer``. The factors themselves stay as they are.
    public var computeDType: DType? = .float32
    public var dropoutSource: RandomGenerator?
    public let start: LoRAFactors?
    private var rowNorms = RowNorms()

    public init(
        base: any LinearLayer, down: Parameter, up: Parameter, upBias: Parameter? = nil, magnitude: Parameter? = nil, scale: Float,
        dropout: Float = 0, start: LoRAFactors? = nil
    ) {
        LoRALinear.check(
            down: down, up: up, upBias: upBias, magnitude: magnitude, inFeatures: base.inFeatures, outFeatures: base.outFeatures)
        self.scale = scale
        self.dropout = dropout
        self.start = start
        super.init()
        self.base = base
        self.down = down
        self.up = up
        self.upBias = upBias
        self.magnitude = magnitude
    }

    public var inFeatures: Int { down.shape[1] }
    public var outFeatures: Int { up.shape[0] }
    /// That of the base layer; the update's own is ``upBias``.
    public var bias: Parameter? { base.bias }

    /// The layer below all adapters.
    var root: any LinearLayer { (base as? LoRALinear)?.root ?? base }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        let product = computeDType ?? x.dtype
        if let base = base as? any UpdatedLinearLayer, updatesWeight {
            return withUpBias(base(x, addingLowRank: down.tensor, up.tensor, scale: scale * share, computeDType: product))
        }
        var y = base(x)
        if let start, share != 1 {
            y = y.addingLowRank(of: x, down: start.down, up: start.up, scale: scale * (1 - share), computeDType: product)
        }
        guard share != 0 else { return y }
        var input = x
        if dropout > 0, var source = dropoutSource { input = x.dropout(dropout, using: &source) }
        if let magnitude { return decomposed(y, of: x, dropped: input, magnitude: magnitude) }
        return withUpBias(y.addingLowRank(of: input, down: down.tensor, up: up.tensor, scale: scale * share, computeDType: product))
    }

    /// Whether the update comes to a sum with the weight, and neither sees another input.
    private var updatesWeight: Bool {
        share != 0 && (start == nil || share == 1) && magnitude == nil && (dropout == 0 || dropoutSource == nil)
    }

    private func withUpBias(_ y: Tensor) -> Tensor { upBias.map { (y + $0.tensor * (scale * share)).cast(to: y.dtype) } ?? y }

    /// The output of the decomposed weight, given that of the base layer. What is dropped is dropped where the rows' new norms come in, too.
    private func decomposed(_ output: consuming Tensor, of x: Tensor, dropped: Tensor, magnitude: Parameter) -> Tensor {
        let (dtype, product, bias) = (output.dtype, computeDType ?? x.dtype, root.bias?.tensor)
        let factor = magnitude.tensor / norms  // [N]
        func withoutBias(_ y: Tensor) -> Tensor { bias.map { y - $0 } ?? y }
        guard dropout > 0, dropoutSource != nil else {
            let updated = output.addingLowRank(of: x, down: down.tensor, up: up.tensor, scale: scale * share, computeDType: product)
            let scaled = withoutBias(updated) * factor
            return (bias.map { scaled + $0 } ?? scaled).cast(to: dtype)
        }
        let update = dropped.linear(down.tensor, computeDType: product).linear(up.tensor, computeDType: product) * (scale * share)
        return (output + withoutBias(base(dropped)) * (factor - 1) + update * factor).cast(to: dtype)
    }

    /// The norms of the rows that the magnitudes take the place of, [N].
    var norms: Tensor {
        rowNorms.norms(of: self, scale: scale * share, base: root) { root.weightMatrix(.float32) }
    }

    public func weightMatrix(_ dtype: DType?) -> Tensor {
        var weight = added(to: base.weightMatrix(.float32))
        if let magnitude, share != 0 { weight = weight * (magnitude.tensor / norms).reshaped(outFeatures, 1) }
        return weight.cast(to: dtype ?? .float32)
    }
}
