import BitsIO

extension JSONObject {
    /// The object that a line of a file of examples holds.
    ///
    /// - Parameter expectation: its fields, in words.
    init(line: [UInt8], path: String, expectation: String) throws(ModelFileError) {
        // A list of all examples, over many lines or in one, is what other tools write.
        guard line.first(where: { $0 != UInt8(ascii: " ") }) != UInt8(ascii: "[") else {
            throw .malformed(path: path, "begins a JSON list; one object a line was expected, as 'jq -c .[]' makes of it")
        }
        guard case .object(let object) = try JSONValue(parsing: line, path: path) else {
            throw .malformed(path: path, "is not an object with \(expectation)")
        }
        self = object
    }
}
