// Why 8-bit optimizers keep their moments in a dynamic codebook: the same training run with Adam's moments in float32, in 8 bits with the dynamic
// codebooks, and in 8 bits with linear ones. Small second moments fall to zero on a linear scale, and the steps that divide by them blow up.
//
//     swift run -c release OptimizerAblation [steps]
//
// Adam is written out here because the package's optimizers keep 8-bit moments in dynamic codebooks only.
//
// After the ablation in Dettmers et al. 2022, "8-bit Optimizers via Block-wise Quantization", arXiv:2110.02861.
import BitsAndBytes
import CLexicon

// Shapes: B = batch, V = 256 byte values, E = width of a byte's vector, H = hidden width.
let (batch, vocabulary, embedded, hidden) = (256, 256, 32, 128)

/// How a run keeps a moment between steps.
struct MomentFormat {
    let name: String
    let signed: Codebook?
    let unsigned: Codebook?

    /// The moment as it comes back from its format.
    func stored(_ moment: Tensor, isSigned: Bool) -> Tensor {
        guard let codebook = isSigned ? signed : unsigned else { return moment }
        return moment.quantizedBlockwise(codebook: codebook, blockSize: .b256).dequantized()
    }
}

/// Predicts a byte of text from the two before it.
struct ByteModel {
    let embedding: Parameter  // [V, E]
    let inner: Parameter  // [H, 2 E]
    let outer: Parameter  // [V, H]
    var parameters: [Parameter] { [embedding, inner, outer] }

    init(seed: UInt64) {
        var generator = RandomGenerator(seed: seed)
        embedding = Parameter(.normal([vocabulary, embedded], using: &generator))
        inner = Parameter(.normal([hidden, 2 * embedded], standardDeviation: 0.12, using: &generator))
        outer = Parameter(.normal([vocabulary, hidden], standardDeviation: 0.09, using: &generator))
    }

    /// The mean loss over pairs [B, 2] and the bytes that follow them [B].
    func loss(_ pairs: Tensor, _ next: Tensor) -> Tensor {
        let x = embedding.tensor.rows(pairs).reshaped(-1, 2 * embedded)  // [B, 2 E]
        return x.linear(inner.tensor).activated(.relu).linear(outer.tensor).crossEntropy(next).mean()
    }
}

/// Trains with Adam, and gives the mean loss of the last steps; infinite where it was lost on the way.
func train(_ text: [UInt8], format: MomentFormat, steps: Int, seed: UInt64) throws -> Float {
    let model = ByteModel(seed: seed)
    var moments = model.parameters.map { (first: Tensor.zeros($0.shape), second: Tensor.zeros($0.shape)) }
    var generator = RandomGenerator(seed: seed + 1)
    var recent: [Float] = []
    for step in 1...steps {
        let places = (0..<batch).map { _ in Int.random(in: 0..<text.count - 2, using: &generator) }
        let pairs = Tensor(places.flatMap { [Int32(text[$0]), Int32(text[$0 + 1])] }, shape: [batch, 2])
        let loss = model.loss(pairs, Tensor(places.map { Int32(text[$0 + 2]) }))
        loss.backward()
        var (correction1, correction2) = (Float(1), Float(1))
        for _ in 0..<min(step, 20_000) { (correction1, correction2) = (correction1 * 0.9, correction2 * 0.999) }
        noGradient {
            for (index, parameter) in model.parameters.enumerated() {
                guard let gradient = parameter.gradient else { continue }
                let first = moments[index].first * 0.9 + gradient * 0.1
                let second = moments[index].second * 0.999 + gradient.squared() * 0.001
                let scale = (second * (1 / (1 - correction2))).squareRoot() + 1e-8
                parameter.value = parameter.value - first * (0.003 / (1 - correction1)) / scale
                moments[index] = (format.stored(first, isSigned: true), format.stored(second, isSigned: false))
                parameter.gradient = nil
            }
        }
        let value = try loss.item()
        if !value.isFinite { return .infinity }
        recent = recent.suffix(49) + [value]
    }
    return recent.reduce(0, +) / Float(recent.count)
}

clexicon_link()
guard let file = MappedFile(embedded: "text/valid.txt") else { preconditionFailure("the text is compiled into the example") }
let text = file.bytes(in: 0..<file.byteCount)
let steps = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 600
guard steps > 0 else { preconditionFailure("\(steps) steps; use a number above 0") }
let formats = [
    MomentFormat(name: "float32         ", signed: nil, unsigned: nil),
    MomentFormat(name: "8-bit, dynamic  ", signed: .dynamic, unsigned: .dynamicUnsigned),
    MomentFormat(name: "8-bit, linear   ", signed: try .linear(signed: true), unsigned: try .linear(signed: false)),
]
print("mean loss of the last 50 of \(steps) steps, three seeds")
for format in formats {
    let losses = try (1...3).map { try train(text, format: format, steps: steps, seed: $0) }
    print(format.name, losses.map { $0.isFinite ? "\((Double($0) * 1000).rounded() / 1000)" : "diverged" }.joined(separator: "  "))
}
