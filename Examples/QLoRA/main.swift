// QLoRA: a model in 4 bits, an adapter trained with 8-bit AdamW, and checkpoints to go on from when the run is stopped.
//
//     swift run -c release QLoRA [steps] [folder] [model] [examples.jsonl]
//
// Run again with the same words, it goes on from the newest checkpoint. Without a model it takes the one that is built in, with its questions.
//
// Dettmers et al. 2023, "QLoRA: Efficient Finetuning of Quantized LLMs", arXiv:2305.14314.
import BitsAndBytes
import BitsIO
import BitsModels
import BitsTune
import CLexicon

clexicon_link()
let arguments = Array(CommandLine.arguments.dropFirst())
let steps = arguments.first.flatMap { Int($0) } ?? 125
let output = arguments.count > 1 ? arguments[1] : "qlora-run"

let folder = try ModelFolder(arguments.count > 2 ? arguments[2] : "lexicon-5m")
let loaded = try LoadedModel(folder, options: LoadOptions(quantization: .fourBit(.nf4), computeDType: .bfloat16))
let (model, tokenizer) = (loaded.model, try Tokenizer(folder))
print(loaded.report)

// What is learned: the completions of {"prompt", "completion"} lines, each seen by itself.
guard let questions = MappedFile(embedded: "text/sft_train.jsonl"), let others = MappedFile(embedded: "text/sft_valid.jsonl") else {
    preconditionFailure("the built-in questions are missing")
}
let encoder = ExampleEncoder(for: loaded, tokenizer: tokenizer, maximumLength: min(1024, model.contextLength))
let data = try TrainingData([(arguments.count > 3 ? ExampleFile(path: arguments[3]) : ExampleFile(questions), 1)], encoder)
let evaluation = try TrainingData([(ExampleFile(others), 1)], encoder)

var generator = RandomGenerator(seed: 0)
let adapter = try Adapter(on: model, LoRAConfiguration(rank: 16, alpha: 32, dropout: 0.05), using: &generator)

var options = TrainingOptions(duration: .steps(steps), batches: BatchPlan(.examples(16)), moments: .blockwise8bit())
(options.saveEvery, options.evaluateEvery, options.keptCheckpoints) = (25, 25, 2)
let run = try RunFolder(path: output)
let weights = TrainedWeights(adapter, in: model)
let trainer = try Trainer(model, training: weights, on: data, evaluation: evaluation, options: options, folder: run)
trainer.observers.append { event in
    switch event {
    case .step(let step) where step.step % 5 == 0: print("step \(step.step) of \(step.steps): loss \(step.loss)")
    case .evaluation(let evaluation): print("on questions not trained on: \(evaluation.nll)")
    default: break
    }
}

let (last, passedOver) = try trainer.resume()
for line in passedOver { print(line) }
print(last > 0 ? "going on after step \(last)" : "\(weights.count) trained weights")
let summary = try trainer.run()
try run.publish(last: "adapter_config.json") { try adapter.save(to: $0) }
print("mean loss \(summary.loss), \(Int(summary.tokensPerSecond)) tokens/s; the adapter is in \(output)")
