import BitsCore
import Testing
import _BitsTestSupport

@Suite("Cross-entropy in chunks")
struct ChunkedCrossEntropyTests {
    // T = 10, D = 6, V = 9; two tokens have no target.
    private let hidden: Parameter, weight: Parameter, bias: Parameter
    private let targets = Tensor([Int32]([3, 0, -100, 8, 1, 1, 7, -100, 2, 5]))

    init() {
        var random = RandomGenerator(seed: 1)
        hidden = Parameter(Tensor.normal([10, 6], using: &random))
        weight = Parameter(Tensor.normal([9, 6], using: &random))
        bias = Parameter(Tensor.normal([9], using: &random))
    }

    private func head(_ x: Tensor) -> Tensor { x.linear(weight.tensor, bias: bias.tensor) }

    private func gradients() throws -> [[Float]] { try [hidden, weight, bias].map { try #require($0.gradient).floats() } }

    private func clear() { for parameter in [hidden, weight, bias] { parameter.gradient = nil } }

    private func expect(_ chunked: Tensor, sameAs whole: Tensor) throws {
        try #expect(abs(chunked.item() - whole.item()) < 1e-5)
        clear()
        whole.backward()
        let expected = try gradients()
        clear()
        chunked.backward()
        for (found, expected) in zip(try gradients(), expected) { #expect(largestDifference(found, from: expected.map(Double.init)) < 1e-6) }
    }

    @Test("Loss and gradients are those of all logits at once", arguments: [1, 3, 5, 100])
    func chunks(chunk: Int) throws {
        func whole() -> Tensor { head(hidden.tensor).crossEntropy(targets).sum() }
        try expect(chunkedCrossEntropy(hidden.tensor, targets: targets, chunk: chunk, head: head), sameAs: whole())
        try expect(chunkedCrossEntropy(hidden.tensor, targets: targets, reduction: .mean, chunk: chunk, head: head), sameAs: whole() * (1 / 8))
    }

    @Test("What the loss is multiplied with multiplies its gradients")
    func scale() throws {
        try expect(
            chunkedCrossEntropy(hidden.tensor, targets: targets, chunk: 4, head: head) * -2.5,
            sameAs: head(hidden.tensor).crossEntropy(targets).sum() * -2.5)
    }

    @Test("A checkpointed block may hold it")
    func checkpoint() throws {
        let (hidden, targets) = (hidden, targets)
        let recomputed = checkpointed { chunkedCrossEntropy(hidden.tensor, targets: targets, chunk: 4, head: head) }
        try expect(recomputed, sameAs: head(hidden.tensor).crossEntropy(targets).sum())
    }

    @Test("Logits that the head holds on to stay what they are")
    func logitsKept() throws {
        var kept: [Tensor] = []
        let loss = chunkedCrossEntropy(hidden.tensor, targets: targets, chunk: 10) { rows in
            kept.append(head(rows))
            return kept[0]
        }
        #expect(try kept[0].floats() == head(hidden.value).floats())
        try expect(loss, sameAs: head(hidden.tensor).crossEntropy(targets).sum())
    }

    @Test("Without targets the sum is 0 and the mean is no number; without tokens too")
    func noTargets() throws {
        for rows in [10, 0] {
            let (x, none) = (hidden.value.narrowed(axis: 0, to: 0..<rows), Tensor([Int32](repeating: -100, count: rows)))
            #expect(try chunkedCrossEntropy(x, targets: none, head: head).item() == 0)
            #expect(try chunkedCrossEntropy(x, targets: none, reduction: .mean, head: head).item().isNaN)
        }
    }

    @Test("A loss without gradients records nothing")
    func withoutGradients() throws {
        let loss = noGradient { chunkedCrossEntropy(hidden.tensor, targets: targets, head: head) }
        #expect(!loss.carriesGradient)
        let frozen = chunkedCrossEntropy(hidden.value, targets: targets) { $0.linear(weight.value) }
        #expect(!frozen.carriesGradient)
    }

    @Test(
        "Sixteen-bit hidden states and heads get gradients of their type, summed over the chunks in float32", arguments: [DType.bfloat16, .float16])
    func types(dtype: DType) throws {
        let (x, w) = (Parameter(hidden.value.cast(to: dtype)), Parameter(weight.value.cast(to: dtype)))
        chunkedCrossEntropy(x.tensor, targets: targets, chunk: 2) { $0.cast(to: .float32).linear(w.tensor, computeDType: .float32) }.backward()
        let found = [try #require(x.gradient), try #require(w.gradient)]
        #expect(found.map(\.dtype) == [dtype, dtype])
        let (wideX, wideW) = (Parameter(x.value.cast(to: .float32)), Parameter(w.value.cast(to: .float32)))
        chunkedCrossEntropy(wideX.tensor, targets: targets, chunk: 2) { $0.linear(wideW.tensor) }.backward()
        for (narrow, wide) in zip(found, [wideX, wideW]) {
            let expected = try #require(wide.gradient).floats().map(Double.init)
            #expect(largestDifference(try narrow.floats(), from: expected) < 0.01)
        }
    }

    @Test("The logits of more than one chunk are never there together, with gradients or without", arguments: [false, true])
    func memory(trains: Bool) throws {
        let meter = Meter()
        let (tokens, width, vocabulary, chunk) = (256, 2, 2000, 32)
        let x = Parameter(.ones([tokens, width], device: meter.device), isTrainable: trains)
        let w = Parameter(.ones([vocabulary, width], device: meter.device), isTrainable: trains)
        let targets = Tensor([Int32](repeating: 7, count: tokens), device: meter.device)
        let logits = chunk * vocabulary * 4
        var loss: Tensor?
        let peak = meter.peak { loss = chunkedCrossEntropy(x.tensor, targets: targets, chunk: chunk) { $0.linear(w.tensor) } }
        #expect(peak >= logits)
        // Beside one chunk's logits, which become their gradient: the gradient of the head, summed and of one chunk, and what is as small.
        #expect(peak < logits * 5 / 4)
        let back = meter.peak { loss?.backward() }
        #expect(back < logits / 4)
    }
}
