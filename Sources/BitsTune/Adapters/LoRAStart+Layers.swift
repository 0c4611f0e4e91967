import BitsCore
import BitsIO
import BitsNN
import BitsQuant

// Shapes: N = output width, K = input width, R = rank.

/// Makes the layers of an adapter that is to be trained.
struct LoRALayerMaker {
    let configuration: LoRAConfiguration
    let dtype: DType
    let device: Device
    /// Where the weights are that quantized layers were made of; nil where nobody said.
    let original: OriginalWeights?

    /// The layer of `plan` around `module`.
    func layer(_ plan: AdapterPlan.Layer, around module: Module, using generator: inout RandomGenerator) throws(AdapterError) -> any LoRALayer {
        if let base = module as? any EmbeddingLayer { return embedding(plan, base, using: &generator) }
        guard let base = module as? any LinearLayer else { throw .notAdaptable(path: plan.path, type: "\(type(of: module))") }
        let shapes = (down: [plan.rank, plan.inFeatures], up: [plan.outFeatures, plan.rank])
        func uniform(_ shape: [Int], fan: Int) -> Tensor {
            let bound = 1 / Float(max(1, fan)).squareRoot()
            return .uniform(shape, in: -bound...bound, using: &generator, dtype: dtype, device: device)
        }
        switch configuration.start {
        case .kaiming: return linear(plan, base, uniform(shapes.down, fan: plan.inFeatures), .zeros(shapes.up, dtype: dtype, device: device))
        case .gaussian:
            let down = Tensor.normal(shapes.down, standardDeviation: 1 / Float(plan.rank), using: &generator, dtype: dtype, device: device)
            return linear(plan, base, down, .zeros(shapes.up, dtype: dtype, device: device))
        case .random:
            let (down, up) = (uniform(shapes.down, fan: plan.inFeatures), uniform(shapes.up, fan: plan.rank))
            return linear(plan, base, down, up, upBias: configuration.hasUpdateBias ? uniform([plan.outFeatures], fan: plan.rank) : nil)
        case .pissa, .olora:
            let (rest, start) = try withoutPart(plan, base)
            return linear(plan, rest, start.down, start.up, start: start)
        case .loftQ(let rounds):
            let (base, factors) = try alternated(plan, base, rounds: rounds)
            return linear(plan, base, factors.down, factors.up)
        }
    }

    /// The base and the factors that come of quantizing what the factors do not make up for, and finding factors for what that has lost, in turns.
    private func alternated(
        _ plan: AdapterPlan.Layer, _ first: any LinearLayer, rounds: Int
    ) throws(AdapterError) -> (base: any LinearLayer, factors: LoRAFactors) {
        precondition(rounds > 0, "\(rounds) rounds of LoftQ")
        guard first.isInFourBits, let weight = try original?.weight(plan) else { throw .needsOriginal(path: plan.path) }
        var base = first
        func lost() throws(AdapterError) -> LoRAFactors {
            // What rounding loses has many singular values of about one size: which of them are taken makes no difference.
            try leading(plan, weight - base.weightMatrix(.float32), tolerance: 1e-3)
        }
        var factors = try lost()
        for _ in 1..<rounds {
            base = try LoRALayerMaker.layer(like: base, weight: weight - factors.product * plan.scale, path: plan.path)
            factors = try lost()
        }
        return (base, factors)
    }

    /// The base layer without the part that training starts from, and that part.
    func withoutPart(_ plan: AdapterPlan.Layer, _ base: any LinearLayer) throws(AdapterError) -> (rest: any LinearLayer, start: LoRAFactors) {
        guard !(base is LoRALinear) else {
            throw .contradiction("'\(plan.path)' has an adapter already, so no part can be taken out of its base layer; start from kaiming values")
        }
        let weight = try original?.weight(plan) ?? base.weightMatrix(.float32)
        let factors: LoRAFactors
        if case .pissa(let rounds) = configuration.start {
            factors = try leading(plan, weight, rounds: rounds)
        } else {
            factors = try columns(plan, weight)
        }
        return (try LoRALayerMaker.layer(like: base, weight: weight - factors.product * plan.scale, path: plan.path), factors)
    }

    private func linear(
        _ plan: AdapterPlan.Layer, _ base: any LinearLayer, _ down: Tensor, _ up: Tensor, upBias: Tensor? = nil, start: LoRAFactors? = nil
    ) -> LoRALinear {
        let bias = upBias ?? (configuration.hasUpdateBias ? .zeros([plan.outFeatures], dtype: dtype, device: device) : nil)
        func made(_ magnitude: Parameter?) -> LoRALinear {
            LoRALinear(
                base: base, down: Parameter(down), up: Parameter(up), upBias: bias.map { Parameter($0) }, magnitude: magnitude, scale: plan.scale,
                dropout: configuration.dropout, start: start)
        }
        let layer = made(nil)
        return configuration.isWeightDecomposed ? made(Parameter(layer.norms.cast(to: dtype))) : layer
    }

    private func embedding(_ plan: AdapterPlan.Layer, _ base: any EmbeddingLayer, using generator: inout RandomGenerator) -> LoRAEmbedding {
        let shape = [plan.rank, plan.inFeatures]
        let down: Tensor =
            configuration.start == .random
            ? .normal(shape, using: &generator, dtype: dtype, device: device) : .zeros(shape, dtype: dtype, device: device)
        let up = Tensor.normal([plan.outFeatures, plan.rank], using: &generator, dtype: dtype, device: device)
        func made(_ magnitude: Parameter?) -> LoRAEmbedding {
            LoRAEmbedding(base: base, down: Parameter(down), up: Parameter(up), magnitude: magnitude, scale: plan.scale)
        }
        let layer = made(nil)
        return configuration.isWeightDecomposed ? made(Parameter(layer.norms.cast(to: dtype))) : layer
    }
}

// MARK: - Parts of a weight

extension LoRALayerMaker {
    /// `scale · B · A` is the part of `weight` in its R largest singular values, each factor with their roots.
    private func leading(
        _ plan: AdapterPlan.Layer, _ weight: Tensor, rounds: Int? = nil, tolerance: Double = 1e-7
    ) throws(AdapterError) -> LoRAFactors {
        guard plan.scale > 0 else { throw .contradiction("a start that takes singular values needs a positive alpha; it is \(configuration.alpha)") }
        let svd: TruncatedSVD
        do { svd = try TruncatedSVD(weight, rank: plan.rank, rounds: rounds, tolerance: tolerance) } catch { throw .device(error) }
        let roots = svd.values.map { ($0 / Double(plan.scale)).squareRoot() }
        return factors(plan, down: svd.right.scaled(roots), up: svd.left.scaled(roots))
    }

    /// `B · A` is what the first R columns of `weight` span: B their orthonormal basis, A the products of that with all columns.
    private func columns(_ plan: AdapterPlan.Layer, _ weight: Tensor) throws(AdapterError) -> LoRAFactors {
        let count = min(plan.rank, plan.inFeatures, plan.outFeatures)
        do {
            let basis = try RowVectors(weight.narrowed(axis: 1, to: 0..<count).transposed().contiguous()).orthonormal()  // [R, N]
            let products = try RowVectors(basis.tensor(on: weight.device).matrixProduct(weight))  // [R, K]
            return factors(plan, down: products, up: basis)
        } catch { throw .device(error) }
    }

    /// A and B of rows that may be fewer than the rank: the others are zero.
    private func factors(_ plan: AdapterPlan.Layer, down: RowVectors, up: RowVectors) -> LoRAFactors {
        func padded(_ vectors: RowVectors, _ width: Int) -> Tensor {
            let missing = [[Double]](repeating: [Double](repeating: 0, count: width), count: plan.rank - vectors.rows.count)
            return RowVectors(vectors.rows + missing).tensor(on: device).cast(to: dtype)
        }
        return LoRAFactors(down: padded(down, plan.inFeatures), up: padded(up, plan.outFeatures).transposed().contiguous())
    }

    /// A frozen layer of the same form as `layer`, with another weight; one that has no weight of its own becomes a plain one.
    static func layer(like layer: any LinearLayer, weight: Tensor, path: String) throws(AdapterError) -> any LinearLayer {
        let dtype = layer.weightMatrix().dtype
        let plain = Linear(
            weight: Parameter(weight.cast(to: dtype), isTrainable: false), bias: layer.bias, computeDType: (layer as? any RoundingLayer)?.computeDType
        )
        guard let form = layer.quantization, !(layer is TiedLinear) else { return plain }
        do { return try form.layer(plain) } catch { throw .quantization(path: path, error) }
    }
}

extension Module {
    /// Whether its weight is in 4 bits: what LoftQ makes up for.
    var isInFourBits: Bool { if case .fourBit = quantization { true } else { false } }
}

extension RowVectors {
    /// Each row times its factor.
    fileprivate func scaled(_ factors: [Double]) -> RowVectors {
        RowVectors(zip(rows, factors).map { row, factor in row.map { $0 * factor } })
    }
}

/// The weights that a quantized model was made of, as its unquantized checkpoint has them.
struct OriginalWeights {
    let source: any WeightSource
    let names: CheckpointNames
    let device: Device

    /// The weight of a layer, [N, K] in float32; nil where the source has none of its shape.
    func weight(_ plan: AdapterPlan.Layer) throws(AdapterError) -> Tensor? {
        let isTransposed = names.isTransposed(plan.path)
        let shape = isTransposed ? [plan.inFeatures, plan.outFeatures] : [plan.outFeatures, plan.inFeatures]
        do {
            for name in names.candidates("\(plan.path).weight") {
                guard let entry = try source.entry(name), entry.shape == shape, entry.dtype?.isFloatingPoint == true else { continue }
                guard let tensor = try source.tensor(name, on: device)?.cast(to: .float32) else { continue }
                source.release(name)
                return isTransposed ? tensor.transposed().contiguous() : tensor
            }
            return nil
        } catch { throw .file(ModelFileError(error, path: plan.path)) }
    }
}
