public import BitsCore

/// The number types that a model computes in. A model has one policy, from loading on, so that what is trained, evaluated and generated is computed alike.
///
/// Sums of products, the arithmetic inside norms and softmax, logits and losses are float32 under every policy.
public struct ComputePolicy: Sendable, Equatable {
    /// What flows from layer to layer, and back.
    public var activations: DType
    /// What the products of linear layers round their operands to: `.bfloat16` or `.float16`, or `.float32` for none. Products of int8 are exact in any case.
    public var products: DType
    /// The keys and values that are kept while text is generated.
    public var cache: DType
    /// The weights that training adds, and the optimizer steps: an adapter's factors.
    public var masterWeights: DType
    /// What gradients of trained weights are rounded to; nil for the type of each weight.
    public var gradients: DType?

    public init(
        activations: DType = .float32, products: DType = .float32, cache: DType = .float32, masterWeights: DType = .float32, gradients: DType? = nil
    ) {
        let types = [activations, products, cache, masterWeights, gradients ?? .float32]
        precondition(types.allSatisfy(\.isFloatingPoint), "a policy of \(types.map(\.rawValue)); use float32, bfloat16 or float16")
        self.activations = activations
        self.products = products
        self.cache = cache
        self.masterWeights = masterWeights
        self.gradients = gradients
    }

    /// Nothing is rounded.
    public static let float32 = ComputePolicy()
    /// bfloat16 for all that is computed; what is trained stays float32.
    public static let bfloat16 = ComputePolicy(activations: .bfloat16, products: .bfloat16, cache: .bfloat16)
    /// float16 for all that is computed; what is trained stays float32.
    public static let float16 = ComputePolicy(activations: .float16, products: .float16, cache: .float16)
}

/// A layer whose products may round their operands.
public protocol RoundingLayer: Module {
    /// What products round their operands to: `.bfloat16` or `.float16`, or `.float32` for none; nil follows the input's type. Sums are float32.
    var computeDType: DType? { get set }
}

extension Linear: RoundingLayer {}
extension Linear4bit: RoundingLayer {}
extension TiedLinear: RoundingLayer {}

extension Module {
    /// Has the products of the tree round their operands, and its parameters their gradients, as `policy` says.
    public func apply(_ policy: ComputePolicy) {
        for (_, module) in namedModules() { (module as? any RoundingLayer)?.computeDType = policy.products }
        for (_, parameter) in namedParameters() { parameter.gradientDType = policy.gradients }
    }
}
