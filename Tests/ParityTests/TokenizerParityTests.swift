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
        try ParityTally.compare("tokenizers", try recorded()) { model in
            let answers = try ConfigurationFields(MappedFile(path: "\(model)/reference.json"))
            let tokenizer = try Tokenizer(ModelFolder(path: "\(model)/model"))
            let texts = try answers.require("text", as: [String].self)
            let ids = try answers.require("ids", as: [[Int32]].self)
            let decoded = try answers.require("decoded", as: [String].self)
            #expect(!texts.isEmpty && texts.count == ids.count && texts.count == decoded.count)
            for (index, text) in texts.enumerated() {
                #expect(tokenizer.encode(text) == ids[index], "\(model): \(text)")
                #expect(tokenizer.decode(ids[index]) == decoded[index], "\(model): \(text)")
            }
            return nil
        }
    }

    /// The folders of all recorded models with a tokenizer.
    private func recorded() throws -> [String] {
        let models = "\(ParityCases.folder)/models"
        return try FileSystem.names(in: models).map { "\(models)/\($0)" }.filter {
            FileSystem.kind(of: "\($0)/reference.json") == .file && FileSystem.kind(of: "\($0)/model/tokenizer.json") == .file
        }
    }
}
