public import BitsCore
public import BitsNN

/// A linear layer with a trained low-rank update: `base(x) + scale * (x · Aᵀ) · Bᵀ`.
///
/// It holds its base layer, so one adapter serves every precision. Sums are float32, and so are both factors unless told otherwise; products round their
/// operands as the model's policy has all products do, which is what PEFT computes under autocast.
/// Hu et al. 2021, "LoRA", arXiv:2106.09685. Reference: PEFT's `lora.Linear`.
public final class LoRALinear: Module, LinearLayer, RoundingLayer {
    @Child("base_layer") public var base: any LinearLayer
    /// A, [R, K]
    @Weight("lora_A.weight") public var down: Parameter
    /// B, [N, R]
    @Weight("lora_B.weight") public var up: Parameter
    public let scale: Float
    public let dropout: Float
    /// What the update's products round their operands to; see ``BitsNN/RoundingLayer``. The factors themselves stay as they are.
    public var computeDType: DType? = .float32
    /// Where a pass draws its mask from; nil (as in evaluation) leaves dropout out. A pass does not change it: computed again, it drops the same elements.
    /// ``Adapter/setDropout(seed:pass:)`` gives each pass its own.
    public var dropoutSource: RandomGenerator?

    public init(base: any LinearLayer, down: Parameter, up: Parameter, scale: Float, dropout: Float = 0) {
        precondition(
            down.shape.count == 2 && down.shape[1] == base.inFeatures && up.shape == [base.outFeatures, down.shape[0]],
            "LoRA factors \(down.shape) and \(up.shape) for a layer from \(base.inFeatures) to \(base.outFeatures)")
        self.scale = scale
        self.dropout = dropout
        super.init()
        self.base = base
        self.down = down
        self.up = up
    }

    /// The adapter at the start of training: A uniform in ±1 / sqrt(K), B zero, so that the layer computes what its base does.
    public convenience init(
        base: any LinearLayer, rank: Int, scale: Float, dropout: Float = 0, using generator: inout RandomGenerator, dtype: DType = .float32,
        device: Device = .cpu
    ) {
        let bound = 1 / Float(base.inFeatures).squareRoot()
        self.init(
            base: base, down: Parameter(.uniform([rank, base.inFeatures], in: -bound...bound, using: &generator, dtype: dtype, device: device)),
            up: Parameter(.zeros([base.outFeatures, rank], dtype: dtype, device: device)), scale: scale, dropout: dropout)
    }

    public var rank: Int { down.shape[0] }
    public var inFeatures: Int { down.shape[1] }
    public var outFeatures: Int { up.shape[0] }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        var input = x
        if dropout > 0, var source = dropoutSource { input = x.dropout(dropout, using: &source) }
        return base(x).addingLowRank(of: input, down: down.tensor, up: up.tensor, scale: scale, computeDType: computeDType ?? x.dtype)
    }

    public func weightMatrix(_ dtype: DType?) -> Tensor {
        (base.weightMatrix(.float32) + up.tensor.matrixProduct(down.tensor) * scale).cast(to: dtype ?? .float32)
    }
}
