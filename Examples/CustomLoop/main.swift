// A training loop of one's own, from the parts: what a Trainer does in a step, to be changed at will.
//
//     swift run -c release CustomLoop [steps]
//
// Here the learning rate goes by the loss: it is halved whenever ten steps have not been better than the ten before.
import BitsAndBytes
import BitsIO
import BitsModels
import BitsTune
import CLexicon

clexicon_link()
let steps = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 100
let folder = try ModelFolder("lexicon-5m")
let loaded = try LoadedModel(folder, options: LoadOptions(quantization: .fourBit(.nf4), computeDType: .bfloat16))
guard let questions = MappedFile(embedded: "text/sft_train.jsonl") else { preconditionFailure("the built-in questions are missing") }
let file = try ExampleFile(questions)
let encoder = ExampleEncoder(for: loaded, tokenizer: try Tokenizer(folder))

var generator = RandomGenerator(seed: 0)
let adapter = try Adapter(on: loaded.model, LoRAConfiguration(rank: 8, alpha: 16, dropout: 0.1), using: &generator)
let optimizer = try Optimizer(adapter.parameters, rule: AdamW(learningRate: 2e-3, weightDecay: 0), moments: .blockwise8bit(), clipping: .norm(1))

var (recent, lastMean): ([Float], Float) = ([], .infinity)
for step in 1...max(1, steps) {
    let batch = try (0..<8).map { _ in try file.example(Int.random(in: 0..<file.count, using: &generator), encoder) }
    adapter.setDropout(seed: 0, pass: step)
    // Of each sequence all from the first learned token on is predicted.
    let loss = try optimizer.step {
        let (sum, tokens) = loaded.model.loss(batch.map(\.ids), from: batch.map { $0.learned[0].lowerBound })
        let loss = sum * (1 / Float(tokens))
        loss.backward()
        return loss
    }
    optimizer.clearGradients()
    recent.append(try loss.item())
    guard recent.count == 10 else { continue }
    let mean = recent.reduce(0, +) / 10
    if mean >= lastMean { try optimizer.changeRules { $0.learningRate /= 2 } }
    print("step \(step): loss \(mean), learning rate \(optimizer.currentLearningRate())")
    (recent, lastMean) = ([], mean)
}
adapter.removeDropout()
