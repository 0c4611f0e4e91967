public import BitsNN
public import BitsQuant
import BitsSystem

/// What quantization makes of one layer, form by form.
public struct LayerErrors: Sendable, Equatable {
    /// How far a form's numbers are from those of the layer as it is.
    public struct Form: Sendable, Equatable {
        public let form: Quantization
        /// Of codes, scales and codebooks in memory.
        public let byteCount: Int
        /// `‖W - Q‖ / ‖W‖`
        public let weights: Double
        /// The largest difference of a weight.
        public let largest: Double
        /// `‖Y - Z‖ / ‖Y‖` of what the layer computes of the inputs that the unquantized model gives it; nil where it was given none. A table that a head
        /// shares has the errors of vectors and of scores: the root of the sum of their squares.
        public let outputs: Double?

        /// `20 log10(‖W‖ / ‖W - Q‖)`, in decibels.
        public var signalToNoise: Double { -20 * log10(weights) }
    }

    public let path: String
    public let role: ModelPlan.Layer.Role
    public let shape: [Int]
    /// Bytes of its weight as it is.
    public let byteCount: Int
    /// What the loss feels of the layer: by how many nats a token it rises, to second order, where the outputs are off by their own norm, at random. Of a
    /// model without a loss, the share of the tokens that the layer was given: 1 of most, less of an expert.
    ///
    /// `sum_t ‖g_t‖² ‖y_t‖² / (2 N T)` over the tokens t, with the gradient g of the loss with respect to outputs y of width N: the curvature of a log-likelihood
    /// is the mean square of its gradient. Reference: Fisher information, as in Hassibi and Stork 1992, "Optimal Brain Surgeon".
    public let influence: Double
    /// Why a quantization leaves it unless it is told otherwise; nil if it does not.
    public let keptByDefault: String?
    public let forms: [Form]

    public var count: Int { shape.reduce(1, *) }

    /// The errors under `form`; nil where it was not measured.
    public func errors(under form: Quantization) -> Form? { forms.first { $0.form == form } }

    /// What `form` costs the model: the squared relative error of the layer's outputs, or of its weights where it was given nothing, times its
    /// ``influence``. Noise that does not know of each other adds up by its squares, and so do these.
    public func cost(of form: Form) -> Double {
        let error = form.outputs ?? form.weights
        return error * error * influence
    }

    /// What kind of layer it is: the path with `*` for parts that are numbers.
    public var kind: String {
        path.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) == nil ? String($0) : "*" }.joined(separator: ".")
    }
    /// The first number of the path, which counts blocks; nil without one.
    public var block: Int? { path.split(separator: ".").lazy.compactMap { Int($0) }.first }
}

/// What quantization makes of a model's layers.
public struct QuantizationErrors: Sendable, Equatable {
    /// In the model's order.
    public let layers: [LayerErrors]
    /// Those that were measured, of every layer.
    public let forms: [Quantization]
    /// Tokens that the outputs were measured on.
    public let tokens: Int

    /// Bytes of the weights of all layers as they are.
    public var byteCount: Int { layers.reduce(0) { $0 + $1.byteCount } }

    /// Whether a layer's influence is one on the loss.
    public let countsLoss: Bool

    /// The root of the mean over layers of the squared relative errors under `form`, of weights and of outputs; of the layers at `paths` alone where some are
    /// named.
    public func mean(under form: Quantization, of paths: Set<String>? = nil) -> (weights: Double, outputs: Double) {
        let errors = layers.filter { paths?.contains($0.path) ?? true }.compactMap { $0.errors(under: form) }
        func root(_ values: [Double]) -> Double { (values.reduce(0) { $0 + $1 * $1 } / Double(values.count)).squareRoot() }
        return (root(errors.map(\.weights)), root(errors.compactMap(\.outputs)))
    }
}
