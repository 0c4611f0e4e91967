import BitsCore
import Testing

@testable import BitsIO

/// Expressions that tokenizers split by, held against where Hugging Face's tokenizers cut (Cases/record-expressions.py).
@Suite("Regular expressions")
struct RegularExpressionTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let expression: String
        let texts: [String]
        let pieces: [[Int]]
        let matches: [[Int]]

        var testDescription: String { expression }
    }

    static let cases: [Case] = {
        do {
            let file = try ConfigurationFields(MappedFile(path: "\(TokenizerFixture.testFolder)/Cases/expressions.json"))
            let texts = try file.require("texts", as: [String].self)
            return try file.sections("cases").map { fields in
                Case(
                    expression: try fields.require("expression"), texts: texts, pieces: try fields.require("pieces"),
                    matches: try fields.require("matches"))
            }
        } catch {
            Issue.record(error)
            return []
        }
    }()

    /// Where `text` is cut, and which pieces are matches, as starts and ends in turn.
    private func bounds(_ expression: RegularExpression, _ behavior: Splitter.Behavior, isInverted: Bool = false, in text: String) -> [Int] {
        var bounds = [Int]()
        let bytes = Array(text.utf8)
        Splitter(expression, behavior, isInverted: isInverted).split(bytes.span) { bounds += [$0.lowerBound, $0.upperBound] }
        return bounds
    }

    @Test("Every expression matches where it was recorded to, and one that is refused needs memory", arguments: cases)
    func matches(_ recorded: Case) throws {
        let expression: RegularExpression
        do { expression = try RegularExpression(recorded.expression) } catch {
            #expect(error.reason.contains("possessive"), "\(error)")
            return
        }
        for (index, text) in recorded.texts.enumerated() {
            #expect(bounds(expression, .isolated, in: text) == recorded.pieces[index], "\(text.debugDescription)")
            #expect(bounds(expression, .removed, isInverted: true, in: text) == recorded.matches[index], "\(text.debugDescription)")
        }
    }

    @Test("There are recorded expressions, and few of them are refused")
    func exist() {
        #expect(Self.cases.count > 100)
        #expect(Self.cases.count { (try? RegularExpression($0.expression)) == nil } < Self.cases.count / 20)
    }

    @Test(
        "Text that makes others look again and again is searched in linear time", .timeLimit(.minutes(1)),
        arguments: [
            ("a*b|a", "a"), ("(?:a*b|a)*c|a", "a"), (#"(?=(?:\d{3})+(?!\d))"#, "1"), (#"\s+$|\s"#, " \u{a0}"), (#"\w+(?=\w*!)|\w"#, "é"),
            (#"(?:(?:a?)*b)*c"#, "ab"), (#"\d{1,3}(?=(?:\d{3})*\b)"#, "1"), (#".*?x|."#, "🙂"),
        ])
    func linear(_ pattern: String, _ unit: String) throws {
        let expression = try RegularExpression(pattern)
        var bytes = [UInt8]()
        while bytes.count < 300_000 { bytes += Array(unit.utf8) }
        var covered = 0
        expression.forEachMatch(in: bytes.span) { covered += $0.count }
        #expect(covered <= bytes.count)
    }

    @Test(
        "What is not understood is named with its place",
        arguments: [
            ("(a)\\1", 3, "escape '\\1'"), ("a(?<=bc)d", 1, "look behind"), ("\\p{Nothing}", 0, "'Nothing'"), ("a(b", 1, "without an end"),
            ("ab)", 2, "closing parenthesis"), ("[a-", 0, "without an end"), ("a|*", 2, "repeat of nothing"), ("(?:ab)*+c", 6, "possessive"),
            ("a{2000}", 1, "2000"), ("[z-a]", 1, "range"), ("[\\w-a]", 3, "range"), ("\\X", 0, "'\\X'"), ("(?P<n>a)", 0, "unknown kind"),
            ("\\", 0, "backslash"), ("[[:alphabet:]]", 1, "alphabet"), ("(?:(?:(?:a{900}){900}){900})", 0, "repeats"),
            ("(?:a|b)*a(?:a|b){40}", 0, "too many ways"), (String(repeating: "(", count: 5000), 200, "deep"),
            (String(repeating: "[", count: 5000), 199, "deep"),
        ])
    func refused(_ pattern: String, _ position: Int, _ reason: String) {
        let error = #expect(throws: ExpressionError.self) { try RegularExpression(pattern) }
        #expect(error?.position == position && error?.reason.contains(reason) == true, "\(String(describing: error))")
    }

    @Test("Matches are replaced by a text as it stands")
    func replaced() throws {
        func replaced(_ pattern: String, _ content: String, _ text: String) throws -> String {
            let bytes = Array(text.utf8)
            return String(decoding: try RegularExpression(pattern).replacing(with: Array(content.utf8), in: bytes.span), as: UTF8.self)
        }
        #expect(try replaced(" {2,}", "▁", "a  b c   ") == "a▁b c▁")
        #expect(try replaced("x*", "-", "axb") == "-a-b-")
        #expect(try replaced("[^a-z]+", "", "1é2") == "")
    }

    @Test(
        "Pieces are merged as the behavior says",
        arguments: [
            ("Removed", false, ["a", "b"]), ("Removed", true, ["-", "-", "-"]), ("Isolated", false, ["-", "a", "-", "-", "b"]),
            ("MergedWithPrevious", false, ["-", "a-", "-", "b"]), ("MergedWithNext", false, ["-a", "-", "-b"]),
            ("Contiguous", false, ["-", "a", "--", "b"]), ("MergedWithPrevious", true, ["-a", "-", "-b"]),
            ("MergedWithNext", true, ["-", "a-", "-", "b"]),
        ])
    func merged(_ behavior: String, _ isInverted: Bool, _ expected: [String]) throws {
        let splitter = Splitter(try RegularExpression(literal: "-"), try #require(Splitter.Behavior(rawValue: behavior)), isInverted: isInverted)
        let bytes = Array("-a--b".utf8)
        var pieces = [String]()
        splitter.split(bytes.span) { pieces.append(String(decoding: bytes[$0], as: UTF8.self)) }
        #expect(pieces == expected)
    }

    @Test("Sets of characters are joined, cut and turned round as sets are")
    func sets() {
        var random = SplitMix(state: 3)
        func some() -> ScalarSet {
            let starts = (0..<4).map { _ in UInt32.random(in: 0..<40, using: &random) }
            return ScalarSet(joining: starts.map { $0..<$0 + .random(in: 0..<8, using: &random) })
        }
        for _ in 0..<200 {
            let (a, b) = (some(), some())
            for scalar in 0..<50 as Range<UInt32> {
                #expect(a.union(b).contains(scalar) == (a.contains(scalar) || b.contains(scalar)))
                #expect(a.intersection(b).contains(scalar) == (a.contains(scalar) && b.contains(scalar)))
                #expect(a.symmetricDifference(b).contains(scalar) == (a.contains(scalar) != b.contains(scalar)))
                #expect(a.inverted.contains(scalar) != a.contains(scalar))
            }
            #expect(a.inverted.inverted == a && a.union(a) == a)
        }
    }
}
