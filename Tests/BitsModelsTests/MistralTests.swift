import BitsCore
import BitsIO
import BitsModels
import Testing
import _BitsTestSupport

@Suite("Mistral")
struct MistralTests {
    private let ids: [Int32] = [3, 1, 4, 1, 5, 9, 2, 6, 5, 35]

    private func model(_ fields: [String: String?]) throws -> CausalLanguageModel {
        let text = TinyModel.configurationText(fields.merging(["model_type": "\"mistral\""]) { $1 })
        guard case .object(let object) = try JSONValue(parsing: Array(text.utf8)) else { throw ModelFileError.malformed(path: "", "no object") }
        let model = try CausalLanguageModel(ModelConfiguration(ConfigurationFields(object, path: "config.json")))
        model.randomize(seed: 1)
        return model
    }

    @Test("Through two layers a token knows what is up to twice a window back, and nothing before", arguments: [2, 3, 4])
    func window(width: Int) throws {
        let model = try model(["sliding_window": "\(width)"])
        let whole = model.hiddenStates(TokenBatch(ids))
        for place in 0..<9 {
            var changed = ids
            changed[place] = 17
            let found = try distance(model.hiddenStates(TokenBatch(changed)).narrowed(axis: 1, to: 9..<10), whole.narrowed(axis: 1, to: 9..<10))
            #expect(place >= 9 - 2 * (width - 1) ? found > 1e-6 : found == 0, "\(place)")
        }
    }

    @Test("With a cache it sees as far as without")
    func cache() throws {
        let model = try model(["sliding_window": "3"])
        let whole = model.logits(TokenBatch(ids))
        let cache = model.makeCache(capacity: 10)
        let parts = (0..<10).map { place in noGradient { model.logits(TokenBatch([ids[place]], continuing: cache), cache: cache) } }
        #expect(try distance(Tensor.concatenated(parts, axis: 1), whole) < 1e-5)
    }

    @Test("A window that is null is none, and one that is not there is 4096 tokens wide")
    func windows() throws {
        func window(_ fields: [String: String?]) throws -> Int? { (try model(fields).backbone as? Llama)?.configuration.window }
        #expect(try window(["sliding_window": "null"]) == nil)
        #expect(try window([:]) == 4096)
        #expect(try window(["sliding_window": "7"]) == 7)
        #expect(throws: ModelFileError.self) { try window(["sliding_window": "0"]) }
    }
}
