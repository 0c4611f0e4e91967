/// The names that options have in Hugging Face's `TrainingArguments`, TRL's `SFTConfig` and PEFT's `LoraConfig`.
enum TrainingNames {
    /// Options with a value.
    static let ours = [
        "--dtype": "--compute",
        "--base-model-name-or-path": "--model",
        "--train-file": "--data",
        "--validation-file": "--eval-data",
        "--per-device-train-batch-size": "--batch-size",
        "--per-device-eval-batch-size": "--eval-batch-size",
        "--gradient-accumulation-steps": "--accumulate",
        "--num-train-epochs": "--epochs",
        "--max-steps": "--steps",
        "--max-seq-length": "--max-length",
        "--truncation-mode": "--truncation",
        "--completion-only-loss": "--loss-on",
        "--lr-scheduler-type": "--schedule",
        "--warmup-steps": "--warmup-steps",
        "--warmup-ratio": "--warmup-steps",
        "--optim": "--optimizer",
        "--eval-strategy": "--eval-every",
        "--evaluation-strategy": "--eval-every",
        "--eval-steps": "--eval-every",
        "--save-strategy": "--save-every",
        "--save-steps": "--save-every",
        "--save-total-limit": "--keep",
        "--logging-steps": "--log-every",
        "--early-stopping-patience": "--patience",
        "--r": "--lora-rank",
        "--lora-r": "--lora-rank",
        "--lora-target-modules": "--target-modules",
        "--lora-modules-to-save": "--modules-to-save",
        "--init-lora-weights": "--lora-start",
    ]

    /// Options that are on or off.
    static let switches = [
        "--bf16": ["--compute=bfloat16", "--activations=bfloat16"],
        "--gradient-checkpointing": ["--recompute"],
        "--activation-offloading": ["--offload-block-inputs"],
        "--load-best-model-at-end": ["--keep-best"],
        "--resume-from-checkpoint": ["--resume"],
        "--use-cpu": ["--device=cpu"],
        "--no-cuda": ["--device=cpu"],
    ]

    /// Our own flags, which may have True or False behind them too, as a file has them.
    static let flags = [
        "--packing", "--group-by-length", "--use-dora", "--use-rslora", "--lora-bias", "--recompute", "--offload-block-inputs", "--keep-best",
        "--resume",
        "--full", "--padding", "--no-shuffle", "--show-tokens", "--json",
    ]

    /// What is not there and would change what comes out, with what there is.
    static let absent = [
        "--fp16": "float16 asks for losses that are scaled; use bf16",
        "--label-smoothing-factor": "targets are learned as they are; leave it out",
        "--neftune-noise-alpha": "nothing is added to token vectors; leave it out",
        "--deepspeed": "a run is one process on one device; leave it out",
        "--fsdp": "a run is one process on one device; leave it out",
        "--adafactor": "name an optimizer by --optimizer",
        "--use-qalora": "of adapters there is LoRA, with --use-dora and --use-rslora",
        "--use-bdlora": "of adapters there is LoRA, with --use-dora and --use-rslora",
        "--ensure-weight-tying": "what --modules-to-save names is trained by itself",
    ]

    /// Options that say nothing here: what the run does is settled by other options, or comes by itself.
    static let passedOver: Set = [
        "--accelerator-config", "--assistant-only-loss", "--attn-implementation", "--auto-find-batch-size", "--average-tokens-across-devices",
        "--batch-eval-metrics", "--bf16-full-eval", "--data-seed", "--dataloader-drop-last", "--dataloader-num-workers",
        "--dataloader-persistent-workers", "--dataloader-pin-memory", "--dataloader-prefetch-factor", "--dataset-num-proc", "--dataset-text-field",
        "--ddp-backend", "--ddp-broadcast-buffers", "--ddp-bucket-cap-mb", "--ddp-find-unused-parameters", "--ddp-timeout", "--debug",
        "--disable-tqdm", "--do-eval", "--do-predict", "--do-train", "--eval-accumulation-steps", "--eval-delay", "--eval-do-concat-batches",
        "--eval-on-start", "--eval-packing", "--eval-use-gather-object", "--fan-in-fan-out", "--fp16-backend", "--fp16-full-eval", "--fp16-opt-level",
        "--fsdp-config", "--fsdp-min-num-params", "--full-determinism", "--gradient-checkpointing-kwargs", "--greater-is-better",
        "--half-precision-backend", "--hub-always-push", "--hub-model-id", "--hub-private-repo", "--hub-strategy", "--hub-token",
        "--ignore-data-skip", "--include-for-metrics", "--include-inputs-for-metrics", "--include-num-input-tokens-seen",
        "--include-tokens-per-second", "--inference-mode", "--jit-mode-eval", "--local-rank", "--log-level", "--log-level-replica",
        "--log-on-each-node", "--logging-dir", "--logging-first-step", "--logging-nan-inf-filter", "--logging-strategy", "--lora-task-type",
        "--lr-scheduler-kwargs", "--megatron-core", "--metric-for-best-model", "--mp-parameters", "--overwrite-output-dir",
        "--packing-strategy", "--padding-free", "--past-index", "--peft-type", "--peft-version", "--prediction-loss-only", "--project",
        "--push-to-hub", "--qalora-group-size",
        "--ray-scope",
        "--remove-unused-columns", "--report-to", "--restore-callback-states-from-checkpoint", "--run-name", "--save-on-each-node",
        "--save-only-model", "--save-safetensors", "--shuffle-dataset", "--skip-memory-metrics", "--task-type", "--tf32", "--torch-compile",
        "--torch-compile-backend", "--torch-compile-mode", "--torch-empty-cache-steps", "--tpu-metrics-debug", "--trackio-space-id",
        "--trust-remote-code", "--use-legacy-prediction-loop", "--use-liger-kernel", "--use-mps-device", "--use-peft",
    ]

    /// What an option takes back from a file where its value asks for nothing.
    static let takenBack = [
        "--max-steps": "--steps", "--eval-strategy": "--eval-every", "--evaluation-strategy": "--eval-every", "--save-strategy": "--save-every",
    ]

    /// The words for an option whose value has another form here, or counts less than another that is given; nil for any other.
    static func words(for name: String, _ value: String, beside values: [String: String]) throws(Failure) -> [String]? {
        func number(_ name: String) -> Double { values[name].flatMap(Double.init) ?? 0 }
        switch name {
        case "--max-steps": return Int(value).map { $0 < 0 } == true ? [] : nil
        case "--num-train-epochs": return number("--max-steps") > 0 ? [] : nil
        case "--warmup-steps": return Double(value) == 0 && number("--warmup-ratio") > 0 ? [] : nil
        case "--warmup-ratio":
            if number("--warmup-steps") > 0 { return [] }
            // What is 1 there is the whole run, not a step.
            return Double(value).map { $0 < 1 } == false ? ["--warmup-steps=\((Double(value) ?? 1) * 100)%"] : nil
        case "--eval-steps": return values["--eval-strategy"] == "no" || values["--evaluation-strategy"] == "no" ? [] : nil
        case "--save-steps": return values["--save-strategy"] == "no" ? [] : nil
        case "--eval-strategy", "--evaluation-strategy", "--save-strategy":
            guard ["no", "steps"].contains(value) else {
                throw Failure(.usage, "\(name) \(value) is not there; say after how many steps, by \(ours[name] ?? name)")
            }
            return []
        case "--truncation-mode": return ["--truncation=\(HuggingFaceNames.hyphenated(value))"]
        case "--completion-only-loss": return HuggingFaceNames.truth(value).map { ["--loss-on=\($0 ? "completions" : "everything")"] }
        case "--init-lora-weights": return HuggingFaceNames.truth(value) == true ? ["--lora-start=kaiming"] : nil
        default: return nil
        }
    }
}
