import BitsCore
import BitsIO
import BitsSystem
import BitsTune
import Testing
import _BitsTestSupport

@Suite("Files of examples")
struct ExampleFileTests {
    private func examples(_ text: String, as name: String = "data.jsonl") throws -> [TrainingText] {
        let folder = try TemporaryFolder()
        let file = try ExampleFile(path: folder.write(text, as: name))
        return try (0..<file.count).map { try file.example($0) }
    }

    @Test("Lines are texts, or prompts with completions; blank lines and other keys do not matter, and the last line needs no end")
    func lines() throws {
        let text = "{\"text\": \"a\\nb\"}\r\n\n   \n{\"completion\": \"c\", \"id\": 7, \"prompt\": \"\"}\n{\"text\": \"ä\"}"
        #expect(try examples(text) == [.text("a\nb"), .completion(prompt: "", completion: "c"), .text("ä")])
    }

    @Test("A byte-order mark before the first line is no part of it")
    func byteOrderMark() throws {
        #expect(try examples("\u{feff}{\"text\": \"a\"}\n{\"text\": \"b\"}") == [.text("a"), .text("b")])
    }

    @Test("A table has its columns' names in the first row; fields in quotes hold commas, line ends and quotes")
    func table() throws {
        let text = "\u{feff}prompt,id,completion\r\n\"a, \"\"b\"\"\nc\",1,d\r\n\ne,2,\"\nf\"\n"
        let expected: [TrainingText] = [.completion(prompt: "a, \"b\"\nc", completion: "d"), .completion(prompt: "e", completion: "\nf")]
        #expect(try examples(text, as: "data.CSV") == expected)
    }

    @Test(
        "A line that is broken is named, with what was expected",
        arguments: [
            ("{\"text\": 1}", "has no text in 'text'"), ("{\"prompt\": \"a\"}", "has no text in 'completion'"),
            ("{\"completion\": \"a\"}", "has no text in 'prompt'"),
            ("{\"a\": 1, \"b\": 2}", "has the keys 'a', 'b'; 'text', 'prompt' and 'completion', or 'messages'"),
            ("{}", "has no keys"), ("[1]", "begins a JSON list; one object a line"), ("3", "is not an object"),
            ("{\"text\": \"a\"", "cut short, at column 13"), ("{\"text\": \"\"}", "an empty 'text'"),
            ("{\"prompt\": \"a\", \"completion\": \"\"}", "an empty 'completion'"),
        ])
    func broken(line: String, reason: String) throws {
        let error = #expect(throws: ModelFileError.self) { try examples("\n{\"text\": \"fine\"}\n\(line)\n{\"text\": \"fine\"}\n") }
        let text = "\(try #require(error))"
        #expect(text.contains("data.jsonl, line 3: ") && text.contains(reason), "\(text)")
    }

    @Test(
        "A broken row of a table is named by its line, rows of several lines before it included",
        arguments: [("a", "has 1 fields; 2 were expected"), ("\"a\"b,c", "behind a closing quote"), ("a,\"b", "a quote that is not closed")])
    func brokenRow(row: String, reason: String) throws {
        let error = #expect(throws: ModelFileError.self) { try examples("prompt,completion\n\"a\n\n\",b\n\(row)\n", as: "data.csv") }
        let text = "\(try #require(error))"
        #expect(text.contains("data.csv, line 5: ") && text.contains(reason), "\(text)")
    }

    @Test("Bytes that are no UTF-8 are an error of their line", arguments: ["data.jsonl", "data.csv"])
    func notText(name: String) throws {
        let folder = try TemporaryFolder()
        let isTable = name.hasSuffix("csv")
        let bytes = Array((isTable ? "text\n" : "{\"text\": \"").utf8) + [0xff] + Array((isTable ? "\n" : "\"}\n").utf8)
        let file = try ExampleFile(path: folder.write(bytes, as: name))
        let error = #expect(throws: ModelFileError.self) { try file.example(0) }
        #expect("\(try #require(error))".contains("\(name), line \(isTable ? 2 : 1): "))
    }

    @Test(
        "A file without examples is refused, and a table without columns for them",
        arguments: [("", "data.jsonl"), ("\n \n", "data.jsonl"), ("", "data.csv"), ("text\n", "data.csv"), ("a,b\n1,2\n", "data.csv")])
    func empty(text: String, name: String) throws { #expect(throws: ModelFileError.self) { try examples(text, as: name) } }

    @Test("A line of 17 MB is refused before it is read, by its number")
    func long() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(Array("{\"text\": \"a\"}\n".utf8) + [UInt8](repeating: UInt8(ascii: "x"), count: 17 << 20), as: "data.jsonl")
        let error = #expect(throws: ModelFileError.self) { _ = try ExampleFile(path: path) }
        #expect("\(try #require(error))".contains("line 2: has 17825792 bytes; at most 16777216"))
    }
}
