import BitsCore
import BitsModels
import BitsNN
import BitsQuant

/// The weights of a model with its adapters in them, as a checkpoint of it holds them. Each is made when it is asked for, and nobody keeps it: the model stays
/// as it is, and memory holds one weight more.
struct MergedWeights: WeightSource {
    /// What makes a weight.
    private struct Recipe {
        let dtype: () -> DType
        let shape: [Int]
        let make: () -> Tensor
        /// Whether files have it transposed.
        let isTransposed: Bool
    }

    private var recipes: [String: Recipe] = [:]
    /// Whether a head goes on multiplying with the table of an embedding.
    let hasTiedHead: Bool

    /// - Parameters:
    ///   - adapters: all that are on `model`.
    ///   - form: the layers that are quantized to this already keep their codes; what others stand for counts. nil keeps none.
    /// - Throws: what the device reports.
    init(of model: TaskModel, _ adapters: [Adapter], keeping form: Quantization?) throws(DeviceError) {
        let modules = model.modulesOutsideAdapters
        hasTiedHead = modules.contains { ($0.module as? TiedLinear).map { !($0.embedding is LoRAEmbedding) } ?? false }
        let types = adapters.flatMap(\.whole.types).map { (ObjectIdentifier($0.parameter), $0.dtype) }
        let original = Dictionary(types) { first, _ in first }
        let names = model.checkpointNames
        for (path, module) in modules {
            func add(_ name: String, _ shape: [Int], turns: Bool = false, _ dtype: @escaping () -> DType, _ make: @escaping () -> Tensor) {
                recipes["\(path).\(name)"] = Recipe(
                    dtype: dtype, shape: shape, make: make, isTransposed: turns && name == "weight" && names.isTransposed(path))
            }
            func add(_ parameter: Parameter, _ name: String) {
                let dtype = original[ObjectIdentifier(parameter)] ?? parameter.dtype
                add(name, parameter.shape, turns: true, { dtype }, { parameter.value.cast(to: dtype) })
            }
            switch module {
            case let layer as LoRALinear:
                let root = layer.root
                add("weight", [layer.outFeatures, layer.inFeatures], turns: true, { root.weightMatrix().dtype }) {
                    layer.weightMatrix(root.weightMatrix().dtype)
                }
                if let bias = layer.mergedBias { add(bias, "bias") }
            case let layer as LoRAEmbedding:
                let root = layer.root
                add("weight", [layer.vocabularySize, layer.width], turns: true, { root.table().dtype }) {
                    layer.adaptedTable.cast(to: root.table().dtype)
                }
            case let head as TiedLinear where head.embedding is LoRAEmbedding:
                add("weight", [head.outFeatures, head.inFeatures], turns: true, { head.weightMatrix().dtype }, { head.weightMatrix() })
            default:
                for (name, parameter) in module.parameters where parameter.packed == nil { add(parameter, name) }
                for weight in module.quantizedWeights {
                    if let layer = MergedWeights.decoded(module, unless: form) {
                        add("weight", weight.shape, turns: true, { layer().dtype }, layer)
                    } else {
                        for (name, tensor) in try weight.entries(named: "weight") { add(name, tensor.shape, { tensor.dtype }, { tensor }) }
                    }
                }
            }
        }
    }

    /// What gives the numbers that the codes of a layer stand for; nil for a layer that is to keep its codes.
    private static func decoded(_ module: Module, unless form: Quantization?) -> (() -> Tensor)? {
        func settled(_ form: Quantization?) -> Quantization? {
            var form = form
            form?.computeDType = nil
            return form
        }
        guard let found = module.quantization, settled(found) != settled(form) else { return nil }
        switch module {
        case let layer as any LinearLayer: return { layer.weightMatrix() }
        case let layer as any EmbeddingLayer: return { layer.table() }
        default: return nil
        }
    }

    var names: [String]? { nil }

    func entry(_ name: String) -> WeightEntry? {
        recipes[name].map { recipe in
            let (dtype, shape) = (recipe.dtype(), recipe.isTransposed ? recipe.shape.reversed() : recipe.shape)
            return WeightEntry(dtype: dtype, typeName: dtype.rawValue, shape: shape, byteCount: shape.reduce(dtype.byteCount, *))
        }
    }

    func tensor(_ name: String, on device: Device) throws(DeviceError) -> Tensor? {
        guard let recipe = recipes[name] else { return nil }
        let tensor = noGradient { recipe.isTransposed ? recipe.make().transposed() : recipe.make() }
        return try tensor.contiguous().moved(to: device)
    }

    func release(_ name: String) {}
}
