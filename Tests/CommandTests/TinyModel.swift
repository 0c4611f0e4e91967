import Foundation
import _BitsTestSupport

/// A copy of a recorded model of two layers, to be damaged.
struct TinyModel {
    let scratch: Scratch
    var path: String { scratch.path }

    /// - Parameter quantized: the one that transformers and bitsandbytes saved in nf4.
    init(quantized: Bool = false) throws { try self.init(quantized ? .nf4 : .plain) }

    /// As it is in float32, or as transformers and bitsandbytes saved it.
    enum Form: String, CaseIterable {
        case plain = "model"
        case nf4 = "cuda/model-nf4"
        case int8 = "cuda/model-int8"
    }

    init(_ form: Form) throws {
        scratch = try Scratch()
        let folder = "\(ParityCases.folder)/models/llama"
        for name in ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
            let own = "\(folder)/\(form.rawValue)/\(name)"
            let source = FileManager.default.fileExists(atPath: own) ? own : "\(folder)/model/\(name)"
            try scratch.write(try Data(contentsOf: URL(fileURLWithPath: source)), as: name)
        }
    }

    /// Changes the fields of a JSON file.
    func change(_ name: String, _ change: (inout [String: Any]) -> Void) throws {
        var object = try JSONSerialization.jsonObject(with: try scratch.data(name)) as? [String: Any] ?? [:]
        change(&object)
        try scratch.write(try JSONSerialization.data(withJSONObject: object, options: .sortedKeys), as: name)
    }

    /// Header and contents of the weights.
    func weights() throws -> (header: [String: Any], contents: Data) {
        let data = try scratch.data("model.safetensors")
        let length = data.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
        let header = try JSONSerialization.jsonObject(with: data[8..<8 + length]) as? [String: Any] ?? [:]
        return (header, data[(8 + length)...])
    }

    /// Writes the weights with this header.
    func write(header: String, contents: Data) throws {
        var data = Data((0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) })
        data.append(Data(header.utf8))
        data.append(contents)
        try scratch.write(data, as: "model.safetensors")
    }

    /// Changes the header of the weights.
    func changeHeader(_ change: (inout [String: [String: Any]]) -> Void) throws {
        let (header, contents) = try weights()
        var entries = header.compactMapValues { $0 as? [String: Any] }
        change(&entries)
        try write(header: String(decoding: try JSONSerialization.data(withJSONObject: entries), as: UTF8.self), contents: contents)
    }

    /// Changes the bytes of one entry.
    func changeBytes(of name: String, _ change: (inout Data) -> Void) throws {
        var data = try scratch.data("model.safetensors")
        let (header, contents) = try weights()
        guard let offsets = (header[name] as? [String: Any])?["data_offsets"] as? [Int] else { return }
        let start = data.count - contents.count
        var part = Data(data[start + offsets[0]..<start + offsets[1]])
        change(&part)
        data.replaceSubrange(start + offsets[0]..<start + offsets[1], with: part)
        try scratch.write(data, as: "model.safetensors")
    }
}
