import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsQuant
import BitsTune
import CLexicon
import Testing

/// The numbers are transformers' and bitsandbytes' for the same model and text (Sources/CLexicon/README.md): mean over 64 windows of 512 tokens.
@Suite("Evaluation of the embedded model")
struct EvaluationTests {
    private static let nf4 = Quantization.fourBit(.nf4, doubleQuantization: false)
    private static let nf4Doubly = Quantization.fourBit(.nf4)

    @Test(
        "The mean negative log-likelihood is the reference's within 0.001",
        arguments: [(nil, 2.54536), (nf4, 2.57986), (nf4Doubly, 2.57988), (.fourBit(.fp4, doubleQuantization: false), 2.60544)]
            as [(Quantization?, Double)])
    func reference(quantization: Quantization?, expected: Double) throws {
        clexicon_link()
        let folder = try #require(ModelFolder(embedded: "lexicon-5m"))
        let model = try LoadedModel(folder, options: LoadOptions(quantization: quantization)).model
        let file = try #require(MappedFile(embedded: "text/valid.txt"))
        let text = String(decoding: file.bytes(in: 0..<file.byteCount), as: UTF8.self)
        let tokens = try Tokenizer(folder).encode(text, addsSpecialTokens: false)
        let result = try model.evaluate(EvaluationWindows(tokens, length: 512, limit: 64, model: model))
        #expect(result.tokens == 64 * 511)
        #expect(abs(result.nll - expected) < 0.001)
    }

    @Test("A policy of 16 bits throughout costs less than 0.003", arguments: [ComputePolicy.bfloat16, .float16])
    func policy(policy: ComputePolicy) throws {
        clexicon_link()
        let folder = try #require(ModelFolder(embedded: "lexicon-5m"))
        let model = try LoadedModel(folder, options: LoadOptions(quantization: .fourBit(.nf4))).model
        let file = try #require(MappedFile(embedded: "text/valid.txt"))
        let tokens = try Tokenizer(folder).encode(String(decoding: file.bytes(in: 0..<file.byteCount), as: UTF8.self), addsSpecialTokens: false)
        let windows = try EvaluationWindows(tokens, length: 512, limit: 16, model: model)
        func evaluate(_ policy: ComputePolicy) throws -> Double {
            model.policy = policy
            return try model.evaluate(windows).nll
        }
        let (exact, rounded) = (try evaluate(.float32), try evaluate(policy))
        #expect(rounded != exact && abs(rounded - exact) < 0.003, "\(rounded) instead of \(exact)")
    }
}
