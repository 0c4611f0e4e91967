import BitsIO
import Testing

@Suite("JSON values")
struct JSONValueTests {
    @Test("Keys, numbers and unknown values survive a round trip")
    func roundTrip() throws {
        let text = """
            {
              "z": 1e-05,
              "a": [
                1,
                -0.0,
                1E+20,
                12345678901234567890123,
                NaN,
                -Infinity
              ],
              "empty": {},
              "none": [],
              "text": "\\u00e9\\ud83d\\ude42 \\"\\\\\\n\\u007f/",
              "nested": {
                "b": null,
                "a": true
              }
            }

            """
        let value = try JSONValue(parsing: Array(text.utf8))
        #expect(String(decoding: value.fileBytes, as: UTF8.self) == text)
    }

    @Test("Compact text is Python's")
    func compact() throws {
        let value = try JSONValue(parsing: Array("{\"b\" :[1 ,2.50,{ }],\"a\":\"\u{e9}\"}".utf8))
        #expect(value.compactText == #"{"b": [1, 2.50, {}], "a": "\u00e9"}"#)
        #expect(value.sorted().compactText == #"{"a": "\u00e9", "b": [1, 2.50, {}]}"#)
    }

    /// What Python prints for these values.
    @Test(
        "Floats print as in Python",
        arguments: [
            (0.0, "0.0"), (-0.0, "-0.0"), (1, "1.0"), (6, "6.0"), (-2.5, "-2.5"), (1e-5, "1e-05"), (1.5e-7, "1.5e-07"), (0.0001, "0.0001"),
            (0.00012, "0.00012"), (0.1, "0.1"), (123456.789, "123456.789"), (1e15, "1000000000000000.0"), (1e16, "1e+16"), (1.25e17, "1.25e+17"),
            (12345678901234568, "1.2345678901234568e+16"), (1e22, "1e+22"), (1e100, "1e+100"), (.leastNonzeroMagnitude, "5e-324"),
            (1.7976931348623157e308, "1.7976931348623157e+308"), (0.08722686767578125, "0.08722686767578125"), (.infinity, "Infinity"),
        ] as [(Double, String)])
    func floats(_ value: Double, _ text: String) {
        #expect(JSONNumber(value).text == text)
        #expect(JSONNumber(value).double == value)
    }

    @Test("A repeated key takes the last value, as in Python")
    func repeatedKey() throws {
        #expect(try JSONValue(parsing: Array(#"{"a": 1, "b": 2, "a": 3}"#.utf8)).compactText == #"{"a": 3, "b": 2}"#)
    }

    @Test("New keys go where they keep the order")
    func insertion() {
        var object: JSONObject = ["a": 1, "c": 2]
        object.insert(3, forKey: "b")
        object.insert(4, forKey: "d")
        object.insert(5, forKey: "a")
        #expect(JSONValue.object(object).compactText == #"{"a": 5, "b": 3, "c": 2, "d": 4}"#)
        object["c"] = nil
        #expect(object.keys == ["a", "b", "d"])
    }

    @Test(
        "Broken text is an error with its place",
        arguments: [
            ("", "at column 1"), ("{\n  \"a\": 1,\n  }", "'}' where a string is expected, at line 3, column 3"), ("[1,]", "']'"),
            ("[1 2]", "','"),
            ("{\"a\" 1}", "':'"), ("{a: 1}", "a string"), ("'a'", "a value"), ("nul", "a value"), ("01", "leading zeros"), ("1.", "a digit"),
            ("1e", "a digit"),
            ("-", "a value"), ("\"a", "inside a string"), ("\"\\", "inside a string"), ("\"\u{1}\"", "control character"),
            ("\"\\x\"", "unknown escape"),
            ("\"\\u12\"", "four hexadecimal digits"), ("\"\\ud800\"", "surrogate"), ("\"\\ud800\\u0041\"", "surrogate"), ("\"\\udc00\"", "surrogate"),
            ("1 1", "the end"), ("{\"a\":1}}", "the end"), (String(repeating: "[", count: 1000), "nested deeper"),
            (String(repeating: "{\"a\":", count: 1000), "nested deeper"),
        ])
    func broken(_ text: String, _ expected: String) {
        let error = #expect(throws: ModelFileError.self) { try JSONValue(parsing: Array(text.utf8), path: "x.json") }
        let message = error.map { "\($0)" } ?? ""
        #expect(message.contains(expected) && message.hasPrefix("x.json: "), "\(message)")
    }

    @Test("Text that is not UTF-8 is an error")
    func encoding() {
        #expect(throws: ModelFileError.self) { try JSONValue(parsing: [0x22, 0xc0, 0x80, 0x22]) }
    }

    @Test("Every truncation is an error, and damage never crashes")
    func damaged() throws {
        let bytes = Array(#"{"a": [1, 2.5e3, "\u00e9\n", true, null], "b": {"c": {}}}"#.utf8)
        for count in 0..<bytes.count { #expect(throws: ModelFileError.self) { try JSONValue(parsing: Array(bytes[..<count])) } }
        var random = SplitMix(state: 3)
        for _ in 0..<20000 {
            var damaged = bytes
            damaged[Int.random(in: 0..<damaged.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            if let value = try? JSONValue(parsing: damaged) {
                #expect(try JSONValue(parsing: Array(value.compactText.utf8)) == value)
            }
        }
    }
}
