import Foundation
import Testing

@Suite struct ExampleTests {
    @Test("the classification with 8-bit AdamW runs, loses as little as with 32 bits, and prints what is really saved")
    func classification() throws {
        let outcome = try Command.run(example: "DebertaClassification", ["12"])
        #expect(outcome.status == 0 && outcome.errors.isEmpty)
        #expect(outcome.output.contains("32-bit moments for deberta.embeddings.word_embeddings.weight"))
        func number(_ pattern: Regex<(Substring, Substring)>) throws -> Double {
            try #require(Double(outcome.output.firstMatch(of: pattern)?.1 ?? ""))
        }
        let (wide, narrow) = (try number(/float32: loss ([0-9.]+)/), try number(/in 32: loss ([0-9.]+)/))
        #expect(abs(wide - narrow) < 0.05)
        // A quarter of the moments are the blocks'; the other three are the table's and stay.
        #expect(10...40 ~= Int(try number(/, ([0-9]+) % of the moments/)))
    }
}
