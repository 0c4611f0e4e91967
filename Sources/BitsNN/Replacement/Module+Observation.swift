public import BitsCore

// Shapes: N = output width, K = input width.

/// What a layer was asked to compute.
public enum LayerInput {
    /// The product of [.., K] with the layer's weight, or of [.., D] with a table.
    case rows(Tensor)
    /// The vectors of these ids, [..].
    case ids(Tensor)
}

/// What watches layers compute: is given a layer's path, the layer, what it was asked for and what it computed, and answers what is to go on in its place.
public typealias LayerObserver = (_ path: String, _ layer: Module, _ input: LayerInput, _ output: Tensor) -> Tensor

extension Module {
    /// Calls `observer` whenever one of the linear layers and embeddings at `paths` has computed something while `body` runs.
    ///
    /// They are observed in their places, and the model is what it was afterwards. Layers that are declared as one type alone are not observed.
    public func observing<Result>(
        _ paths: Set<String>, by observer: @escaping LayerObserver, _ body: () throws -> Result
    ) rethrows -> Result {
        replaceModules("") { path, module, fits in
            guard paths.contains(path) else { return nil }
            let seen = { input, output in observer(path, module, input, output) }
            let observed: Module? =
                if let layer = module as? any LinearLayer {
                    ObservedLinear(layer, seen)
                } else if let table = module as? any EmbeddingLayer {
                    ObservedEmbedding(table, seen)
                } else {
                    nil
                }
            return observed.flatMap { fits($0) ? $0 : nil }
        }
        defer { replaceModules { _, module in (module as? any ObservedLayer)?.observed } }
        return try body()
    }
}

/// A layer that tells what it is given.
private protocol ObservedLayer: Module {
    var observed: Module { get }
}

private final class ObservedLinear: Module, LinearLayer, ObservedLayer {
    @Child("observed") var layer: any LinearLayer
    private let seen: (LayerInput, Tensor) -> Tensor

    init(_ layer: any LinearLayer, _ seen: @escaping (LayerInput, Tensor) -> Tensor) {
        self.seen = seen
        super.init()
        self.layer = layer
    }

    var observed: Module { layer }
    var inFeatures: Int { layer.inFeatures }
    var outFeatures: Int { layer.outFeatures }
    var bias: Parameter? { layer.bias }

    func callAsFunction(_ x: Tensor) -> Tensor { seen(.rows(x), layer(x)) }

    func weightMatrix(_ dtype: DType?) -> Tensor { layer.weightMatrix(dtype) }
}

private final class ObservedEmbedding: Module, EmbeddingLayer, ObservedLayer {
    @Child("observed") var table: any EmbeddingLayer
    private let seen: (LayerInput, Tensor) -> Tensor

    init(_ table: any EmbeddingLayer, _ seen: @escaping (LayerInput, Tensor) -> Tensor) {
        self.seen = seen
        super.init()
        self.table = table
    }

    var observed: Module { table }
    var vocabularySize: Int { table.vocabularySize }
    var width: Int { table.width }

    func callAsFunction(_ ids: Tensor, dtype: DType?) -> Tensor { seen(.ids(ids), table(ids, dtype: dtype)) }

    func table(_ dtype: DType?) -> Tensor { table.table(dtype) }

    func scores(_ x: Tensor, computeDType: DType?) -> Tensor { seen(.rows(x), table.scores(x, computeDType: computeDType)) }
}
