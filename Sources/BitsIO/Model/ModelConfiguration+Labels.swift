extension ModelConfiguration {
    /// The names of a classifier's labels in their order; empty where config.json names none, or not all.
    public var labels: [String] {
        get throws(ModelFileError) {
            guard let section = try fields.section("id2label") else { return [] }
            var labels: [String] = []
            while let label = try section.optional("\(labels.count)", as: String.self) { labels.append(label) }
            return labels.count == section.object.keys.count ? labels : []
        }
    }

    /// Names the labels of a classifier that is to be trained: `id2label` and `label2id`.
    public mutating func setLabels(_ labels: [String]) {
        var (names, numbers) = (JSONObject(), JSONObject())
        for (number, label) in labels.enumerated() {
            names.insert(.string(label), forKey: "\(number)")
            numbers.insert(.number(JSONNumber(number)), forKey: label)
        }
        fields.object.insert(.object(names), forKey: "id2label")
        fields.object.insert(.object(numbers), forKey: "label2id")
        fields.object["num_labels"] = nil
    }
}
