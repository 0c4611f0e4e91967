import BitsCore
import Testing
import _BitsTestSupport

@Suite("Parity: how cases are compared")
struct ParityCasesTests {
    @Test("A group without cases is an error, not a success")
    func nothing() {
        #expect(throws: NoParityCases.self) { try ParityCases.compare("no-such-group") { _ in nil } }
        #expect(throws: NoParityCases.self) { try ParityTally.compare("numbers", [1, 2]) { _ in "it is none" } }
    }

    @Test("What was compared is counted, and what was left out by its reason")
    func tally() throws {
        let tally = try ParityTally.compare("numbers", [1, 2, 3, 4]) { $0 < 3 ? nil : $0 == 3 ? "it is odd" : "it is even" }
        #expect(tally.description == "parity: numbers: 2 compared, 2 left out (1 because: it is even; 1 because: it is odd)")
    }

    @Test("Without a tolerance every bit counts")
    func exact() throws {
        let exact = ParityTolerance()
        #expect(try exact.difference(Tensor([Float]([0, 1])), Tensor([Float]([0, 1]))) == nil)
        #expect(try exact.difference(Tensor([Float]([0, 1])), Tensor([Float]([-0.0, 1]))) != nil)
        #expect(try exact.difference(Tensor([Float]([1]), dtype: .float16), Tensor([Float]([1]))) != nil)
        #expect(try exact.difference(Tensor([Float]([1, 2]), shape: [2, 1]), Tensor([Float]([1, 2]))) != nil)
    }

    @Test("Floats may differ by the relative part of the recorded value and the absolute one")
    func floats() throws {
        var tolerance = ParityTolerance()
        tolerance.relative = 0.01
        #expect(try tolerance.difference(Tensor([Float]([100.9])), Tensor([Float]([100]))) == nil)
        #expect(try tolerance.difference(Tensor([Float]([101.1])), Tensor([Float]([100]))) != nil)
        #expect(try tolerance.difference(Tensor([Float]([.nan, .infinity])), Tensor([Float]([.nan, .infinity]))) == nil)
        #expect(try tolerance.difference(Tensor([Float]([1])), Tensor([Float]([.nan]))) != nil)
    }

    @Test("Of codes, so many as the case says may be a step apart, none further")
    func codes() {
        var tolerance = ParityTolerance()
        tolerance.mismatchCount = 1
        #expect(tolerance.codeDifference([1, 2, 3], [1, 3, 3]) == nil)
        #expect(tolerance.codeDifference([1, 2, 3], [1, 3, 4]) != nil)
        #expect(tolerance.codeDifference([1, 2, 3], [1, 4, 3]) != nil)
        #expect(tolerance.codeDifference([0], [2], rank: [1, 5, 2]) == nil)
        tolerance.mismatchShare = 0.5
        #expect(tolerance.codeDifference([1, 2, 3, 4], [1, 3, 4, 4]) == nil)
    }

    @Test("An answer that is only recorded is not compared")
    func ignored() throws {
        var tolerance = ParityTolerance()
        tolerance.ignores = true
        #expect(try tolerance.difference(Tensor([Float]([1])), Tensor([Float]([2]))) == nil)
        #expect(tolerance.codeDifference([1], [9]) == nil)
    }
}
