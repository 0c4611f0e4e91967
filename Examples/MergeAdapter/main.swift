// An adapter taken into the weights of its model: the merged model needs nothing beside it, and can be quantized anew.
//
//     swift run -c release MergeAdapter [adapter] [folder]
//
// Without an adapter one is trained for a few steps first. The adapter is merged into the weights in floating point, not into their 4-bit codes:
// that way they are rounded once.
import BitsAndBytes
import BitsIO
import BitsModels
import BitsTune
import CLexicon

clexicon_link()
let arguments = Array(CommandLine.arguments.dropFirst())
let output = arguments.count > 1 ? arguments[1] : "merged-model"
let folder = try ModelFolder("lexicon-5m")
let tokenizer = try Tokenizer(folder)
let prompt = "Question: What does the noun \"tide\" mean?\nAnswer:"

/// An adapter that was trained on a model in 4 bits.
func train(to path: String) throws {
    guard let questions = MappedFile(embedded: "text/sft_train.jsonl") else { preconditionFailure("the built-in questions are missing") }
    let loaded = try LoadedModel(folder, options: LoadOptions(quantization: .fourBit(.nf4), computeDType: .bfloat16))
    var generator = RandomGenerator(seed: 0)
    let adapter = try Adapter(on: loaded.model, LoRAConfiguration(rank: 8, alpha: 16), using: &generator)
    let data = try TrainingData([(ExampleFile(questions), 1)], ExampleEncoder(for: loaded, tokenizer: tokenizer))
    let options = TrainingOptions(duration: .steps(6), batches: BatchPlan(.examples(4)), warmupSteps: 0)
    try Trainer(loaded.model, training: TrainedWeights(adapter, in: loaded.model), on: data, options: options).run()
    try adapter.save(to: path)
}

let path = arguments.first ?? "adapter"
if arguments.isEmpty { try train(to: path) }

let loaded = try LoadedModel(folder)
let adapter = try Adapter(ModelFolder(path: path), on: loaded.model)
let before = try noGradient { try loaded.model.loss([tokenizer.encode(prompt)]).sum.item() }
adapter.merge(into: loaded.model)
let after = try noGradient { try loaded.model.loss([tokenizer.encode(prompt)]).sum.item() }
try loaded.save(to: output)

let merged = try LoadedModel(ModelFolder(path: output), options: LoadOptions(quantization: .fourBit(.nf4)))
let quantized = try noGradient { try merged.model.loss([tokenizer.encode(prompt)]).sum.item() }
print("loss of a question: \(before) with the adapter, \(after) merged, \(quantized) in 4 bits again")
print(try TextCompletion(merged, tokenizer: tokenizer)(prompt, options: GenerationOptions(maxNewTokens: 24)).text)
