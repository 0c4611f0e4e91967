import BitsCore
import BitsNN
import Testing
import _BitsTestSupport

@Suite("Losses over heads of every form")
struct HeadLossTests {
    enum Form: CaseIterable, Sendable { case float, fourBit, int8, trainedInt8 }

    /// A head [20, 64] with a bias.
    private func head(_ form: Form) throws -> any LinearLayer {
        var random = RandomGenerator(seed: 3)
        let linear = Linear(inFeatures: 64, outFeatures: 20, using: &random)
        switch form {
        case .float: return linear
        case .fourBit: return try Linear4bit(linear)
        case .int8: return Linear8bitLt(linear)
        case .trainedInt8: return Linear8bitLt(linear, keepsFloat16Weights: true)
        }
    }

    @Test("In chunks, the loss and every gradient are what they are at once", arguments: Form.allCases)
    func forms(form: Form) throws {
        var random = RandomGenerator(seed: 4)
        let hidden = Parameter(Tensor.normal([11, 64], using: &random))
        let targets = Tensor([Int32]([0, 19, 3, -100, 4, 5, 1, 2, 3, 18, 7]))
        let layer = try head(form)
        let parameters = [hidden] + layer.namedParameters().map(\.parameter).filter(\.isTrainable)
        func gradients(_ loss: Tensor) throws -> [[Float]] {
            for parameter in parameters { parameter.gradient = nil }
            loss.backward()
            return try parameters.map { try #require($0.gradient).floats() }
        }
        let whole = layer(hidden.tensor).crossEntropy(targets).sum()
        // The int8 gradient of a weight quantizes all rows it sees together: one chunk holds them all.
        let chunked = chunkedCrossEntropy(hidden.tensor, targets: targets, chunk: form == .trainedInt8 ? 11 : 4) { layer($0) }
        #expect(try abs(whole.item() - chunked.item()) < 1e-4)
        for (found, expected) in zip(try gradients(chunked), try gradients(whole)) {
            #expect(largestDifference(found, from: expected.map(Double.init)) < 1e-5)
        }
        #expect(parameters.count == (form == .float || form == .trainedInt8 ? 3 : 2))
    }
}
