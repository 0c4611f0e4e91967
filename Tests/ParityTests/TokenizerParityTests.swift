import BitsCore
import BitsIO
import BitsKernels
import BitsSystem
import Testing
import _BitsTestSupport

@Suite("Parity: tokenizers")
struct TokenizerParityTests {
    @Test("Awkward strings give the recorded ids and decoded texts")
    func recordedAnswers() throws {
        var compared = 0
        for model in try recorded() {
            let answers = try ConfigurationFields(MappedFile(path: "\(model)/reference.json"))
            guard let tokenizer = try tokenizer(model) else { continue }
            let texts = try answers.require("text", as: [String].self)
            let ids = try answers.require("ids", as: [[Int32]].self)
            let decoded = try answers.require("decoded", as: [String].self)
            #expect(!texts.isEmpty && texts.count == ids.count && texts.count == decoded.count)
            for (index, text) in texts.enumerated() {
                #expect(tokenizer.encode(text) == ids[index], "\(model): \(text)")
                #expect(tokenizer.decode(ids[index]) == decoded[index], "\(model): \(text)")
                compared += 1
            }
        }
        #expect(compared > 0)
    }

    /// The tokenizer of a recorded model; nil for one that is not implemented and says so.
    private func tokenizer(_ model: String) throws -> Tokenizer? {
        do { return try Tokenizer(ModelFolder(path: "\(model)/model")) } catch {
            guard case .unsupported(_, let reason) = error else { throw error }
            // Those of encoders: unigram and word pieces.
            let isNamed = ["Unigram", "WordPiece", "BertNormalizer", "NFKC"].contains { reason.contains("'\($0)'") }
            #expect(isNamed, "\(model): \(reason)")
            return nil
        }
    }

    /// The folders of all recorded models with a tokenizer.
    ///
    /// - Throws: when there is none.
    private func recorded() throws -> [String] {
        let models = "\(ParityCases.folder)/models"
        guard FileSystem.kind(of: models) == .folder else { throw NoParityCases(group: "models", folder: ParityCases.folder) }
        let found = try FileSystem.names(in: models).map { "\(models)/\($0)" }.filter {
            FileSystem.kind(of: "\($0)/reference.json") == .file && FileSystem.kind(of: "\($0)/model/tokenizer.json") == .file
        }
        guard !found.isEmpty else { throw NoParityCases(group: "models", folder: ParityCases.folder) }
        return found
    }
}
