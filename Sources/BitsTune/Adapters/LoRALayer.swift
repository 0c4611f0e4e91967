public import BitsCore
public import BitsNN

// Shapes: N = output width, K = input width (of an embedding: the size of its vocabulary), R = rank.

/// A layer with a trained low-rank update, `W + scale · B · A`, around a base layer that stays as it is.
///
/// Several adapters on a model stand around one another: the base of a layer may be one of another adapter.
public protocol LoRALayer: Module {
    /// A, [R, K]
    var down: Parameter { get }
    /// B, [N, R]
    var up: Parameter { get }
    /// Added to what the update gives, before it is scaled, [N]; nil for none.
    var upBias: Parameter? { get }
    /// DoRA: the norms of the rows of the adapted weight, [N]; nil where they are what they come to.
    var magnitude: Parameter? { get }
    var scale: Float { get }
    /// How much of the update counts: 1 for all of it, 0 for none.
    var share: Float { get set }
    /// Where a pass draws what it drops from; nil (as in evaluation) leaves dropout out. A pass does not change it: computed again, it drops the same.
    /// ``Adapter/setDropout(seed:pass:)`` gives each pass its own.
    var dropoutSource: RandomGenerator? { get set }
    /// The factors that training started from, where the base layer was given up as much: `W - scale · B · A` of these.
    var start: LoRAFactors? { get }
}

/// The factors of a low-rank matrix: `up · down`.
public struct LoRAFactors: Sendable {
    /// A, [R, K]
    public let down: Tensor
    /// B, [N, R]
    public let up: Tensor

    /// B · A, [N, K] in float32.
    var product: Tensor { up.cast(to: .float32).matrixProduct(down.cast(to: .float32)) }
}

extension LoRALayer {
    public var rank: Int { down.shape[0] }

    /// The factors as they are now.
    public var factors: LoRAFactors { LoRAFactors(down: down.value, up: up.value) }

    /// What ``share`` of the update adds to a weight [N, K] in float32, for a base that was given up ``start``.
    func added(to weight: Tensor) -> Tensor {
        var sum = weight
        if let start, share != 1 { sum = sum + start.product * (scale * (1 - share)) }
        return share == 0 ? sum : sum + factors.product * (scale * share)
    }

    /// Stops where the parts of a layer do not belong together: a mistake of the caller.
    static func check(down: Parameter, up: Parameter, upBias: Parameter?, magnitude: Parameter?, inFeatures: Int, outFeatures: Int) {
        precondition(
            down.shape.count == 2 && down.shape[1] == inFeatures && up.shape == [outFeatures, down.shape[0]],
            "LoRA factors \(down.shape) and \(up.shape) for a layer from \(inFeatures) to \(outFeatures)")
        for vector in [upBias, magnitude] {
            precondition(vector == nil || vector!.shape == [outFeatures], "a vector of shape \(vector!.shape) for \(outFeatures) outputs")
        }
    }
}

/// The norms of the rows of `W + scale · B · A`, [N] in float32: computed anew when a factor has changed, and constants in gradients.
struct RowNorms {
    private struct Key: Equatable {
        let base: ObjectIdentifier
        let changes: [Int]
        let scale: Float
    }

    private var known: (key: Key, norms: Tensor)?

    /// - Parameters:
    ///   - base: what W is the weight of.
    ///   - weight: W, [N, K] in float32.
    mutating func norms(of factors: any LoRALayer, scale: Float, base: Module, weight: () -> Tensor) -> Tensor {
        let key = Key(base: ObjectIdentifier(base), changes: [factors.down.changeCount, factors.up.changeCount], scale: scale)
        if let known, known.key == key, known.norms.device == factors.down.device { return known.norms }
        let norms = noGradient { (weight() + factors.factors.product * scale).squared().sum(axis: 1).squareRoot() }
        known = (key, norms)
        return norms
    }
}
