import BitsCore
import BitsModels
import BitsNN
import Testing
import _BitsTestSupport

@Suite("Texts that are kept")
struct KeptTextTests {
    private let prompt: [Int32] = [3, 1, 4, 1, 5]
    private let reply: [Int32] = [9, 2, 6]

    @Test("The next turn reads what is new alone and is answered as without, by every family", arguments: TinyFamily.all)
    func turns(_ family: TinyFamily) throws {
        let (model, kept, options) = (try family.model(), KeptText(), GenerationOptions(maxNewTokens: 4, endTokens: []))
        let first = try model.generate(prompt, options: options, keeping: kept)
        let second = prompt + first.tokens + reply
        let answer = try model.generate(second, options: options, keeping: kept)
        let whole = try model.generate(second, options: options)
        #expect(answer.tokens == whole.tokens && first.keptTokens == 0 && whole.keptTokens == 0)
        // No pass has read the last token of the first answer. Where angles depend on the length, what was kept would be wrong.
        let isKept = !family.fields.values.contains { $0.contains("longrope") || $0.contains("dynamic") }
        #expect(answer.keptTokens == (isKept ? 5 + 3 : 0))
    }

    @Test("A text that goes another way goes on from where it parted, and one that was read already reads its last token again")
    func branches() throws {
        var configuration = TinyModel.configuration
        configuration.contextLength = 700
        let (model, kept) = (TinyModel.llama(configuration), KeptText())
        func keptTokens(_ text: [Int32], _ options: GenerationOptions = GenerationOptions(maxNewTokens: 6)) throws -> Int {
            let found = try model.generate(text, options: options, keeping: kept)
            #expect(try found.tokens == model.generate(text, options: options).tokens, "\(text)")
            return found.keptTokens
        }
        #expect(try keptTokens(prompt + [7, 7]) == 0)
        #expect(try keptTokens(prompt + [8, 7, 7]) == 5)
        #expect(try keptTokens(prompt) == 4)
        #expect(try keptTokens(prompt) == 4)
        #expect(try keptTokens([8] + prompt + [7]) == 0)
        // Longer than the memory was.
        #expect(try keptTokens([8] + prompt + (0..<400).map { Int32($0 % 39) }) == 6)
        #expect(try keptTokens([8] + prompt + [0, 1, 7, 7]) == 8)
        // Of drawn tokens too, and with a penalty for tokens that were not read again.
        let drawn = GenerationOptions(maxNewTokens: 6, sampling: SamplingOptions(temperature: 1.2, repetitionPenalty: 3), seed: 5)
        #expect(try keptTokens([8] + prompt + [0, 1, 2, 7], drawn) == 8)
        // Keys of another type are other keys.
        #expect(try keptTokens([8] + prompt + [0, 1], GenerationOptions(maxNewTokens: 2, cacheType: .bfloat16)) == 0)
    }

    @Test("What ends early is kept as far as it came, and what fails is not kept")
    func ends() throws {
        let (model, kept) = (TinyModel.llama(), KeptText())
        let stopped = try model.generate(prompt, options: GenerationOptions(maxNewTokens: 20), keeping: kept) { _ in false }
        #expect(stopped.tokens.count == 1 && stopped.ending == .stopped)
        let free = try model.generate(prompt + stopped.tokens, options: GenerationOptions(maxNewTokens: 9), keeping: kept)
        #expect(free.keptTokens == 5)
        let ended = try model.generate(prompt, options: GenerationOptions(maxNewTokens: 9, endTokens: [free.tokens[1]]), keeping: kept)
        #expect(ended.ending == .endToken)
        let again = try model.generate(prompt + ended.tokens + reply, options: GenerationOptions(maxNewTokens: 9), keeping: kept)
        #expect(try again.tokens == model.generate(prompt + ended.tokens + reply, options: GenerationOptions(maxNewTokens: 9)).tokens)
        #expect(again.keptTokens == 5 + ended.tokens.count - 1)
        let head = try #require(model.namedParameters().last?.parameter)
        let whole = head.value
        head.value = .full(.nan, shape: [40, 32])
        #expect(throws: GenerationError.notANumber(position: 5)) { try model.generate(prompt, keeping: kept) }
        head.value = whole
        #expect(try model.generate(prompt, keeping: kept).keptTokens == 0)
    }
}
