// What 8-bit moments save when DeBERTa-v3 is fine-tuned to classify texts: AdamW with moments in float32, and in 8 bits with those of the embeddings in 32.
// A library's promise of 75 % is one of the moments in 8 bits; most of DeBERTa-v3 is its embeddings, so what is really saved is counted and printed.
//
//     swift run -c release DebertaClassification [steps [folder]]
//
// Without a folder the model is a tiny one with random weights. With one it is the checkpoint there, with a new head (microsoft/deberta-v3-base is one to
// download). Either learns whether the first of two marked tokens of a random text comes before the second: to see that is to see positions.
//
// After the fine-tuning recipe for bitsandbytes' AdamW8bit with a GlobalOptimManager override for the embeddings.
import BitsAndBytes
import BitsIO
import BitsModels

let batch = 16

/// DeBERTa-v3's layout in small: a table of tokens that outweighs the rest.
let tiny: JSONObject = [
    "model_type": "deberta-v2", "vocab_size": 4000, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128,
    "max_position_embeddings": 64, "relative_attention": true, "position_buckets": 16, "norm_rel_ebd": "layer_norm", "share_att_key": true,
    "pos_att_type": "p2c|c2p", "position_biased_input": false, "type_vocab_size": 0, "num_labels": 2,
]

/// The model to be trained, all of it.
func classifier() throws -> SequenceClassifier {
    let model: SequenceClassifier
    if CommandLine.arguments.count > 2 {
        let folder = try ModelFolder(CommandLine.arguments[2])
        var configuration = try ModelConfiguration(folder)
        configuration.setLabels(["behind", "before"])
        model = try SequenceClassifier.load(folder, configuration: configuration, newHead: RandomGenerator(seed: 1)).model
    } else {
        model = try SequenceClassifier(ModelConfiguration(ConfigurationFields(tiny, path: "tiny")))
        try model.load(from: RandomWeights(for: model, standardDeviation: 0.1, using: RandomGenerator(seed: 1)))
    }
    model.setTrainable(true)
    return model
}

/// Random texts in which tokens 10 and 11 appear once each, and whether 10 comes first.
func examples(_ count: Int, vocabulary: Int, using generator: inout RandomGenerator) -> (tokens: TokenBatch, labels: [Int32]) {
    var (texts, labels): ([[Int32]], [Int32]) = ([], [])
    for _ in 0..<count {
        var text = (0..<Int.random(in: 6...12, using: &generator)).map { _ in Int32.random(in: 20..<Int32(vocabulary), using: &generator) }
        let first = Int.random(in: 0..<text.count - 1, using: &generator)
        let second = Int.random(in: first + 1..<text.count, using: &generator)
        let label = Int32.random(in: 0...1, using: &generator)
        (text[first], text[second]) = label == 1 ? (10, 11) : (11, 10)
        texts.append([1] + text + [2])  // between the tokens that begin and end a text
        labels.append(label)
    }
    return (TokenBatch(packing: texts), labels)
}

/// Trains for `steps`, and gives the mean loss of the last ten, the share of fresh texts that are classified rightly, and the bytes of the moments.
func train(_ moments: MomentStorage, steps: Int) throws -> (loss: Float, accuracy: Double, moments: Int) {
    let model = try classifier()
    let rate = CommandLine.arguments.count > 2 ? 2e-5 : 2e-3
    let optimizer = try Optimizer(model.namedParameters(), rule: AdamW(learningRate: rate, weightDecay: 0.01), moments: moments)
    let upgrade = try optimizer.keep32BitEmbeddings()
    if moments != .float32 { print("32-bit moments for \(upgrade.names.joined(separator: ", ")): \(upgrade.extraByteCount) bytes more") }
    var generator = RandomGenerator(seed: 2)
    var recent: [Float] = []
    for _ in 0..<steps {
        let (tokens, labels) = examples(batch, vocabulary: model.vocabularySize, using: &generator)
        let loss = model.loss(tokens, labels: labels) / Float(batch)
        loss.backward()
        try optimizer.step()
        optimizer.clearGradients()
        recent = recent.suffix(9) + [try loss.item()]
    }
    let (tokens, labels) = examples(200, vocabulary: model.vocabularySize, using: &generator)
    let found = try noGradient { model.scores(tokens).argMax() }.integers()
    let right = zip(found, labels).count { $0 == Int($1) }
    return (recent.reduce(0, +) / Float(recent.count), Double(right) / 200, optimizer.momentByteCount)
}

let steps = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 300
guard steps > 0 else { preconditionFailure("\(steps) steps; use a number above 0") }
let parameters = try classifier().namedParameters().map { (path: $0.path, count: $0.parameter.count) }
let all = parameters.reduce(0) { $0 + $1.count }
let embedded = parameters.filter { $0.path.contains("_embeddings") }.reduce(0) { $0 + $1.count }
print("\(all) parameters, \(100 * embedded / all) % of them in embeddings; \(steps) steps of \(batch) texts")
let wide = try train(.float32, steps: steps)
let narrow = try train(.blockwise8bit(), steps: steps)
for (name, run) in [("float32", wide), ("8-bit, embeddings in 32", narrow)] {
    print("\(name): loss \(run.loss), accuracy \(run.accuracy), moments \(run.moments) bytes")
}
print("saved: \(wide.moments - narrow.moments) bytes, \(100 * (wide.moments - narrow.moments) / wide.moments) % of the moments")
