// All weights of a model, trained with 8-bit moments: 2 bytes a weight instead of 8 for the optimizer.
//
//     swift run -c release FullFineTuning [steps] [folder]
//
// Weights are kept in float32 while they are trained, so that small steps are not lost, and saved in the type that they had.
//
// Dettmers et al. 2022, "8-bit Optimizers via Block-wise Quantization", arXiv:2110.02861.
import BitsAndBytes
import BitsIO
import BitsModels
import BitsTune
import CLexicon

clexicon_link()
let arguments = Array(CommandLine.arguments.dropFirst())
let steps = arguments.first.flatMap { Int($0) } ?? 125
let output = arguments.count > 1 ? arguments[1] : "trained-model"

let folder = try ModelFolder("lexicon-5m")
let loaded = try LoadedModel(folder, options: LoadOptions(computeDType: .bfloat16))
guard let questions = MappedFile(embedded: "text/sft_train.jsonl") else { preconditionFailure("the built-in questions are missing") }
let encoder = ExampleEncoder(for: loaded, tokenizer: try Tokenizer(folder))
let data = try TrainingData([(ExampleFile(questions), 1)], encoder)

// Norms stay as they are; everything else is trained. A table of vectors keeps 32-bit moments by itself.
let weights = try TrainedWeights(of: loaded.model) { !$0.contains("norm") }
let name = try OptimizerName("paged_adamw_8bit")
let options = TrainingOptions(
    duration: .steps(steps), batches: BatchPlan(.tokens(512)), rule: try name.rule(learningRate: 2e-4, weightDecay: 0.01), moments: name.storage)
let trainer = try Trainer(loaded.model, training: weights, on: data, options: options)
trainer.observers.append { event in
    if case .step(let step) = event, step.step % 5 == 0 { print("step \(step.step) of \(step.steps): loss \(step.loss)") }
}
let summary = try trainer.run()
print("\(weights.count) weights, \(trainer.optimizer.momentByteCount) bytes of moments, mean loss \(summary.loss)")

weights.restoreTypes()
try loaded.save(to: output)
print("the model is in \(output)")
