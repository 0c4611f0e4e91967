import BitsIO
import BitsKernels
import BitsModels
import Testing
import _BitsTestSupport

@Suite("Options of generation")
struct SamplingOptionsTests {
    @Test("Options out of range are named, with what to use")
    func problems() {
        #expect(SamplingOptions().problem == nil)
        #expect(SamplingOptions.greedy.problem == nil)
        #expect(SamplingOptions(temperature: -1).problem?.contains("temperature is -1") == true)
        #expect(SamplingOptions(temperature: .nan).problem?.contains("temperature") == true)
        #expect(SamplingOptions(topK: -1).problem?.contains("top-k is -1") == true)
        #expect(SamplingOptions(topP: 0).problem?.contains("top-p is 0") == true)
        #expect(SamplingOptions(topP: 1.5).problem?.contains("at most 1") == true)
        #expect(SamplingOptions(minP: 1.5).problem?.contains("min-p is 1.5") == true)
        #expect(SamplingOptions(repetitionPenalty: 0).problem?.contains("repetition penalty") == true)
        #expect(GenerationOptions(sampling: SamplingOptions(topK: -2)).problem?.contains("top-k is -2") == true)
        #expect(GenerationOptions(stopStrings: ["a", ""]).problem?.contains("empty") == true)
        #expect(GenerationOptions(cacheType: .int8).problem?.contains("int8") == true)
    }

    @Test("A model's generation_config.json gives the options that it names")
    func configuration() {
        var configuration = GenerationConfiguration()
        #expect(GenerationOptions(configuration) == GenerationOptions())
        (configuration.temperature, configuration.topK, configuration.topP, configuration.minP) = (0.7, 20, 0.9, 0.1)
        (configuration.repetitionPenalty, configuration.maximumNewTokens) = (1.2, 77)
        #expect(
            GenerationOptions(configuration) == GenerationOptions(maxNewTokens: 77, sampling: SamplingOptions(temperature: 0, repetitionPenalty: 1.2))
        )
        configuration.samples = true
        let drawn = SamplingOptions(temperature: 0.7, topK: 20, topP: 0.9, minP: 0.1, repetitionPenalty: 1.2)
        #expect(GenerationOptions(configuration) == GenerationOptions(maxNewTokens: 77, sampling: drawn))
    }
}

@Suite("Stop strings")
struct StopStringsTests {
    /// The text that comes out of `pieces`, piece by piece.
    private func text(_ pieces: [String], stops: [String]) -> [String] {
        var stop = StopStrings(stops)
        return pieces.map { stop.append($0) } + [stop.finish()]
    }

    @Test("A text ends before a stop string, however it is cut into pieces", arguments: 1...7)
    func anyPieces(size: Int) {
        let letters = Array("abc END never")
        let pieces = stride(from: 0, to: letters.count, by: size).map { String(letters[$0..<min($0 + size, letters.count)]) }
        #expect(text(pieces, stops: ["END"]).joined() == "abc ")
        #expect(text(pieces, stops: ["ENX", "never", "ND"]).joined() == "abc E")
        #expect(text(pieces, stops: ["neverX", "c  "]).joined() == "abc END never")
        #expect(text(pieces, stops: []) == pieces + [""])
    }

    @Test("Text is held back as long as it may become a stop string, and no longer")
    func heldBack() {
        #expect(text(["a\n", "\n", "b"], stops: ["\n\nQ"]) == ["a", "", "\n\nb", ""])
        #expect(text(["aa", "ab"], stops: ["aab"]) == ["", "a", ""])
        #expect(text(["xE", "N"], stops: ["END"]) == ["x", "", "EN"])
        #expect(text(["é", "e\u{301}"], stops: ["e\u{301}"]) == ["é", "", ""])
    }

    @Test("The first of several in the text ends it, not the first in the list")
    func first() {
        #expect(text(["one two three"], stops: ["three", "two"]) == ["one ", ""])
        var stop = StopStrings(["."])
        #expect(stop.append("a.") == "a" && stop.isFound && stop.append("more") == "" && stop.finish() == "")
    }
}
