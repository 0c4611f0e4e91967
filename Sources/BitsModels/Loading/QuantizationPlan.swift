public import BitsCore
public import BitsIO
public import BitsNN
public import BitsQuant
import BitsSystem

/// What each layer of a model is to become, as a file: made by measuring (`bnb report`) or by hand, and carried out when a model is loaded or its checkpoint
/// quantized.
///
/// ```json
/// {
///   "version": 1,
///   "model_type": "llama",
///   "layers": {
///     "model.embed_tokens": {"form": "keep", "shape": [4096, 256]},
///     "model.layers.0.self_attn.q_proj": {"form": "nf4-dq", "block_size": 128, "shape": [256, 256]}
///   }
/// }
/// ```
/// Every layer that can be quantized is named, with the shape of its weight, so that a plan for another model is found out. Forms are `keep`, `nf4`, `nf4-dq`,
/// `fp4`, `fp4-dq` and `int8`; blocks of 4-bit forms have 64 weights unless `block_size` says otherwise. Other fields are not looked at.
public struct QuantizationPlan: Sendable, Equatable {
    public struct Layer: Sendable, Equatable {
        public let path: String
        public let shape: [Int]
        /// nil for a layer that stays as it is.
        public let form: Quantization?

        public init(path: String, shape: [Int], form: Quantization?) { (self.path, self.shape, self.form) = (path, shape, form) }
    }

    public let modelType: String
    /// In the model's order, or that of the file.
    public let layers: [Layer]
    /// Where it was read from, for errors.
    private let path: String

    public init(modelType: String, layers: [Layer]) { (self.modelType, self.layers, path) = (modelType, layers, "the plan") }

    /// What the layers of a model become.
    ///
    /// - Parameter computeDType: what products of 4-bit weights round their operands to.
    public func quantization(computeDType: DType? = nil) -> ModelQuantization {
        let forms = layers.compactMap { layer in layer.form.map { (layer.path, $0) } }
        return ModelQuantization(
            choices: Dictionary(forms) { first, _ in first }.mapValues { form in
                var form = form
                form.computeDType = computeDType
                return form
            })
    }

    /// Refuses a model that the plan was not made for.
    ///
    /// - Throws: ``BitsIO/ModelFileError/malformed(path:_:)`` that names every layer that is unknown, missing or of another shape.
    public func check(_ configuration: ModelConfiguration) throws(ModelFileError) {
        guard modelType == configuration.modelType else {
            throw .malformed(
                path: path, "is for a model of type '\(modelType)', not '\(configuration.modelType)'; make a plan for this one with 'bnb report'")
        }
        let known = ModelPlan(try ModelRegistry.model(configuration)).layers
        let shapes = Dictionary(known.map { ($0.path, $0.weight.shape) }) { first, _ in first }
        let planned = Dictionary(layers.map { ($0.path, $0.shape) }) { first, _ in first }
        let problems =
            layers.compactMap { layer -> String? in
                guard let shape = shapes[layer.path] else { return "the model has no layer '\(layer.path)'" }
                return shape == layer.shape ? nil : "'\(layer.path)' has the shape \(shape) in the model, \(layer.shape) in the plan"
            } + known.filter { planned[$0.path] == nil }.map { "'\($0.path)' is missing from the plan" }
        guard problems.isEmpty else { throw .problems(problems, path: path, "the plan is not for this model; make one for it with 'bnb report'") }
    }
}

extension QuantizationPlan {
    /// Reads a plan.
    ///
    /// - Throws: ``BitsIO/ModelFileError`` for a file that is no plan, with the field that is wrong.
    public init(path: String) throws(ModelFileError) {
        let file: MappedFile
        do { file = try MappedFile(path: path) } catch { throw .system(error) }
        let fields = try ConfigurationFields(file)
        let version: Int = try fields.require("version")
        guard version == 1 else { throw .unsupported(path: path, "is a plan of version \(version); this is written for version 1") }
        modelType = try fields.require("model_type")
        guard let entries = try fields.section("layers") else { throw fields.error("has no 'layers'; an object of layers is needed there") }
        self.path = path
        var layers: [Layer] = []
        for name in entries.object.keys {
            guard let entry = try entries.section(name) else {
                throw entries.error("has null as 'layers.\(name)'; leave the layer as it is with 'keep'")
            }
            layers.append(Layer(path: name, shape: try entry.require("shape"), form: try QuantizationPlan.form(entry, of: name)))
        }
        self.layers = layers
    }

    private static func form(_ entry: ConfigurationFields, of layer: String) throws(ModelFileError) -> Quantization? {
        let name: String = try entry.require("form")
        if name == "keep" { return nil }
        guard let named = Quantization(named: name) else {
            throw entry.error("has the form '\(name)' for '\(layer)'; \(Suggestion.text(for: name, among: ["keep"] + Quantization.named.map(\.key)))")
        }
        switch named {
        case .int8(let usual, _):
            let threshold: Float = try entry.value("outlier_threshold", default: usual)
            guard threshold >= 0, threshold.isFinite else {
                throw entry.error("has an outlier_threshold of \(threshold) for '\(layer)'; use a number from 0")
            }
            return .int8(outlierThreshold: threshold)
        case .fourBit(let format, let usual, let doubleQuantization, _, _):
            let count: Int = try entry.value("block_size", default: usual.count)
            guard BlockSize.fourBitSupported.contains(count), let size = try? BlockSize(count) else {
                throw entry.error(
                    "has a block_size of \(count) for '\(layer)'; use one of \(BlockSize.fourBitSupported.map(String.init).joined(separator: ", "))")
            }
            return .fourBit(format, blockSize: size, doubleQuantization: doubleQuantization)
        }
    }

    /// The plan as a file holds it.
    public var json: JSONValue {
        var entries = JSONObject()
        for layer in layers { entries[layer.path] = .object(layer.json) }
        return ["version": 1, "model_type": .string(modelType), "layers": .object(entries)]
    }
}

extension QuantizationPlan.Layer {
    fileprivate var json: JSONObject {
        var json: JSONObject = ["form": .string(form?.name ?? "keep")]
        if let size = form?.blockSize { json["block_size"] = .number(JSONNumber(size.count)) }
        if case .int8(let threshold, _)? = form, threshold != 6 { json["outlier_threshold"] = .number(JSONNumber(Double(threshold))) }
        json["shape"] = .array(shape.map { .number(JSONNumber($0)) })
        return json
    }
}
