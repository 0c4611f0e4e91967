import BitsCore
import BitsIO
import BitsTune

/// What `bnb estimate` tells.
struct EstimateReport {
    /// What a GPU has room for.
    struct GPU {
        let gpu: GPUModel
        let generates: Bool
        /// Examples a batch of QLoRA, and of training all weights.
        let adapterBatch: LargestSize
        let wholeBatch: LargestSize
    }

    let name: String
    let weightCount: Int
    let trainedCount: Int
    let format: String?
    let device: String
    /// What the device has for work; nil where nobody said.
    let byteCount: Int?
    let estimates: [Estimated]
    let gpus: [GPU]
}

// MARK: - For people

extension EstimateReport {
    var text: String {
        let head = "\(name): \(weightCount) weights\(format.map { " in \($0)" } ?? ""), \(trainedCount) of them or beside them trained, on \(device)"
        return ([head, ""] + breakdown + [""] + estimates.compactMap(verdict) + [""] + table).joined(separator: "\n")
    }

    /// A column for each estimate, a row for each category.
    private var breakdown: [String] {
        var table = TextTable([""] + estimates.map(\.title))
        table.add([""] + estimates.map { "\($0.size.count) x \($0.size.length)" })
        for category in MemoryCategory.allCases where estimates.contains(where: { $0.need.peak[category] > 0 }) {
            table.add([category.name] + estimates.map { $0.need.peak[category] == 0 ? "-" : "\(Bytes($0.need.peak[category]))" })
        }
        table.add(["total"] + estimates.map { "\(Bytes($0.need.peak.total))" })
        if estimates.contains(where: { $0.need.pagedByteCount > 0 }) {
            table.add(["moments paged out"] + estimates.map { $0.need.pagedByteCount == 0 ? "-" : "\(Bytes($0.need.pagedByteCount))" })
        }
        return table.lines(width: .max)
    }

    /// `train fits in 24.0 GB: yes, batch 4 x 1024, 3.1 GB left; ...`; nil where nobody said how large the device is.
    private func verdict(_ estimated: Estimated) -> String? {
        guard let byteCount, let largest = estimated.largest, let longest = estimated.longest else { return nil }
        let (need, size) = (estimated.need.peak.total, estimated.size)
        let left =
            need <= byteCount ? "yes, \(size.count) x \(size.length), \(Bytes(byteCount - need)) left" : "no, \(Bytes(need - byteCount)) too much"
        let most = largest.size == 0 ? "not even 1 x \(size.length) fits" : "at most \(largest) x \(size.length)"
        return "\(estimated.title) fits in \(Bytes(byteCount)): \(left); \(most)\(longest.size == 0 ? "" : ", or \(size.count) x \(longest)")"
    }

    private var table: [String] {
        let length = estimates.last?.size.length ?? 0
        func batch(_ largest: LargestSize) -> String { largest.size == 0 ? "no" : "\(largest) x \(length)" }
        var table = TextTable(["GPU", "memory", "generate", "QLoRA", "all weights"])
        for row in gpus {
            table.add([row.gpu.name, "\(Bytes(row.gpu.byteCount))", row.generates ? "yes" : "no", batch(row.adapterBatch), batch(row.wholeBatch)])
        }
        return table.lines(width: .max)
    }
}

// MARK: - For programs

extension EstimateReport {
    var json: JSONValue {
        func number(_ value: Int?) -> JSONValue { value.map { .number(JSONNumber($0)) } ?? .null }
        return [
            "model": .string(name), "weights": number(weightCount), "trained_weights": number(trainedCount),
            "load_in": format.map { .string($0) } ?? .null, "device": .string(device), "device_bytes": number(byteCount),
            "estimates": .array(
                estimates.map { estimated in
                    [
                        "work": .string(estimated.title), "sequences": number(estimated.size.count), "length": number(estimated.size.length),
                        "peak": estimated.need.peak.json, "paged_bytes": number(estimated.need.pagedByteCount),
                        "fits": byteCount.map { .bool(estimated.need.peak.total <= $0) } ?? .null,
                        "left_bytes": number(byteCount.map { $0 - estimated.need.peak.total }), "most_sequences": number(estimated.largest?.size),
                        "most_tokens": number(estimated.longest?.size),
                    ]
                }),
            "gpus": .array(
                gpus.map {
                    [
                        "name": .string($0.gpu.name), "bytes": number($0.gpu.byteCount), "generates": .bool($0.generates),
                        "qlora_batch": number($0.adapterBatch.size), "full_batch": number($0.wholeBatch.size),
                    ]
                }),
        ]
    }
}

extension MemoryUse {
    /// Bytes by category, and their sum.
    var json: JSONValue {
        var object = JSONObject()
        for category in MemoryCategory.allCases { object[category.name] = .number(JSONNumber(self[category])) }
        object["total"] = .number(JSONNumber(total))
        return .object(object)
    }
}
