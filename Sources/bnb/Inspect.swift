import ArgumentParser
import BitsCheckpoints
import BitsCore
import BitsIO
import BitsNN
import BitsQuant
import BitsTune
import CLexicon

/// `bnb inspect`: what a checkpoint holds.
struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what is in a checkpoint: tensors, types, quantization, coverage, bytes.")

    @OptionGroup var source: ModelName

    @Flag(help: "List every layer and every tensor, not a line for each kind of layer.")
    var tensors = false

    @Flag(help: "Print one JSON object, with every tensor.")
    var json = false

    func run() throws {
        clexicon_link()
        let summary = try CheckpointSummary(try source.folder())
        try Console.writeLine(json ? summary.json.compactText : summary.text(tensors: tensors).printable)
    }
}

extension CheckpointSummary {
    fileprivate func text(tensors: Bool) -> String {
        var lines = ["\(folder): \(modelType), \(parameterCount) parameters, \(entries.count) tensors, \(Bytes(byteCount))"]
        lines += files.map { "file \($0.path): \(Bytes($0.byteCount))" }
        lines += types.map { "type \($0.name): \($0.tensors) tensors, \(Bytes($0.byteCount))" }
        if let quantization, let method = quantization.method {
            let details =
                quantization.loadIn8Bit
                ? "outlier threshold \(quantization.outlierThreshold)"
                : "double quantization \(quantization.doubleQuantization ? "yes" : "no"), compute \(quantization.computeType.rawValue), "
                    + "storage \(quantization.storageType.rawValue)"
            let skips = quantization.skipModules.map { ", skips \($0.isEmpty ? "nothing" : $0.joined(separator: ", "))" } ?? ""
            lines.append("quantization_config: \(method), \(details)\(skips)")
        } else {
            lines.append("quantization_config: none")
        }
        let linear = layers.filter { !$0.isEmbedding }
        if let keptLayers {
            let share = linear.isEmpty ? nil : coverage?.percentage
            lines.append(
                "linear layers: \(linear.count) of \(linear.count + keptLayers.count) quantized"
                    + (share.map { ", \($0) of their weights, heads aside" } ?? ""))
            if !layers.isEmpty { lines += (tensors ? keptLayers : keptLayers.kinds).map { "  kept \($0)" } }
        } else if !layers.isEmpty {
            lines.append("linear layers: \(layers.count) quantized")
        }
        if linear.count < layers.count { lines.append("embeddings: \(layers.count - linear.count) quantized") }
        lines += tensors ? layers.flatMap { ["  \($0.path): \($0.text)", "    \($0.entriesText)"] } : kinds.map { "  \($0)" }
        if tensors { lines += entries.map { "tensor \($0.name): \($0.typeName) \($0.shape), \($0.byteCount) bytes" } }
        return lines.joined(separator: "\n")
    }

    fileprivate var json: JSONValue {
        [
            "model": .string(folder.description),
            "model_type": .string(modelType),
            "parameters": .number(JSONNumber(parameterCount)),
            "bytes": .number(JSONNumber(byteCount)),
            "files": .array(files.map { ["path": .string($0.path), "bytes": .number(JSONNumber($0.byteCount))] }),
            "types": .array(
                types.map { ["type": .string($0.name), "tensors": .number(JSONNumber($0.tensors)), "bytes": .number(JSONNumber($0.byteCount))] }),
            "quantization_config": quantization?.json ?? .null,
            "quantized": .array(layers.map(\.json)),
            "kept": keptLayers.map { .array($0.map { .string($0) }) } ?? .null,
            "coverage": coverage.map { .number(JSONNumber($0.share)) } ?? .null,
            "tensors": .array(entries.map(\.json)),
        ]
    }
}

extension CheckpointSummary {
    /// A line for all layers whose paths differ in numbers alone and that are quantized alike.
    fileprivate var kinds: [String] {
        let kinds = Dictionary(grouping: layers) { "\($0.path.withoutNumbers): \($0.text)" }
        var seen = Set<String>()
        return layers.compactMap { layer in
            let kind = "\(layer.path.withoutNumbers): \(layer.text)"
            guard seen.insert(kind).inserted, let count = kinds[kind]?.count else { return nil }
            return count == 1 ? "\(layer.path): \(layer.text)" : "\(kind), \(count) times"
        }
    }
}

extension CheckpointSummary.QuantizedLayer {
    fileprivate var text: String {
        "\(format) \(shape)" + (dtype.map { " of \($0.rawValue)" } ?? "") + (blockSize.map { ", blocks of \($0)" } ?? ", a scale a row")
            + (nestedBlockSize.map { ", scales in 8 bits, blocks of \($0)" } ?? "") + (storage.byteCount > 1 ? ", stored as \(storage.rawValue)" : "")
            + ", \(Bytes(byteCount)), \(Bytes.rounded(bitsPerWeight, 2)) bits a weight"
    }

    /// The entries by what is behind the layer's path, or the weight's.
    fileprivate var entriesText: String {
        entries.map { entry in
            let name = entry.name.dropFirst(path.count + 1)
            return "\(name.hasPrefix("weight.") ? name.dropFirst("weight".count) : name) \(entry.typeName) \(entry.shape)"
        }.joined(separator: ", ")
    }

    fileprivate var json: JSONValue {
        [
            "path": .string(path), "format": .string(format), "shape": .array(shape.map { .number(JSONNumber($0)) }),
            "dtype": dtype.map { .string($0.rawValue) } ?? .null, "storage": .string(storage.rawValue),
            "block_size": blockSize.map { .number(JSONNumber($0)) } ?? .null,
            "nested_block_size": nestedBlockSize.map { .number(JSONNumber($0)) } ?? .null, "bytes": .number(JSONNumber(byteCount)),
            "bits_per_weight": .number(JSONNumber(bitsPerWeight)), "entries": .array(entries.map(\.json)),
        ]
    }
}

extension SafetensorsEntry {
    fileprivate var json: JSONValue {
        [
            "name": .string(name), "type": .string(typeName), "shape": .array(shape.map { .number(JSONNumber($0)) }),
            "bytes": .number(JSONNumber(byteCount)),
        ]
    }
}
