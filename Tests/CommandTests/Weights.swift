import Foundation

/// The header's text of a safetensors file, and the bytes of each entry.
func weights(_ path: String) throws -> (header: String, entries: [String: Data]) {
    let data = try Data(contentsOf: URL(fileURLWithPath: path))
    let length = data.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
    let text = data[8..<8 + length]
    let header = try JSONSerialization.jsonObject(with: text) as? [String: [String: Any]] ?? [:]
    let entries = header.compactMapValues { $0["data_offsets"] as? [Int] }.mapValues { Data(data[(8 + length + $0[0])..<(8 + length + $0[1])]) }
    return (String(decoding: text, as: UTF8.self), entries)
}
