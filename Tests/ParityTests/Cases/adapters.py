#!/usr/bin/env python3
"""Write LoRA adapters of every kind as peft saves them, on two tiny models, together with what peft computes with them.

    python adapters.py --out adapters --seed 1

base/, tied/        the models: Llama with biases everywhere, Llama whose head shares the embedding's table
One folder per case:
  adapter/          as peft saves it, its factors, biases and whole modules moved away from where they start (other-adapter/: the second of two)
  reference.safetensors + reference.json   inputs and answers:
     input_ids                          [2, length]
     logits, logits_base                with the adapter; without it
     logits_merged                      after merge_and_unload
     loss, grad/<name in the file>      next-token loss of row 0, and its gradients
     base, report, scales               which model; print_trainable_parameters; the weights of several adapters
Needs: torch, transformers, peft, safetensors.
"""
import argparse, contextlib, io, json, pathlib, shutil
import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM
from peft import LoraConfig, PeftModel, get_peft_model

SIZES = dict(model_type="llama", vocab_size=96, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
             intermediate_size=48, max_position_embeddings=64, rms_norm_eps=1e-5)
MODELS = {"base": dict(attention_bias=True, mlp_bias=True, tie_word_embeddings=False, **SIZES), "tied": dict(tie_word_embeddings=True, **SIZES)}
LINEAR = ["q_proj", "v_proj", "down_proj"]
CASES = {
    "plain": ("base", dict(target_modules="all-linear")),
    "stabilized": ("base", dict(target_modules=LINEAR, use_rslora=True, lora_dropout=0.1, init_lora_weights="gaussian")),
    "bias-all": ("base", dict(target_modules=["q_proj", "up_proj"], bias="all")),
    "bias-lora-only": ("base", dict(target_modules=["q_proj", "up_proj"], bias="lora_only")),
    "lora-bias": ("base", dict(target_modules=["q_proj", "up_proj"], lora_bias=True)),
    "dora": ("base", dict(target_modules=LINEAR, use_dora=True)),
    "embedding": ("base", dict(target_modules=["embed_tokens", "q_proj"])),
    "embedding-tied": ("tied", dict(target_modules=["embed_tokens", "q_proj"])),
    "embedding-dora": ("base", dict(target_modules=["embed_tokens", "q_proj"], use_dora=True)),
    "head": ("base", dict(target_modules=["lm_head", "v_proj"])),
    "modules-to-save": ("base", dict(target_modules="all-linear", modules_to_save=["lm_head", "norm", "layers.1.mlp.up_proj"])),
    "modules-to-save-tied": ("tied", dict(target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head"])),
    "expression": ("base", dict(target_modules=r".*\.layers\.(?!0).*\.(q|up)_proj", exclude_modules=r".*mlp.*")),
    "layers": ("base", dict(target_modules=LINEAR, layers_to_transform=[1], layers_pattern="layers", exclude_modules=["v_proj"])),
    "patterns": ("base", dict(target_modules="all-linear", rank_pattern={"q_proj": 2, r"model\.layers\.\d\.self_attn\.k_proj": 3, "layers.1.mlp.up_proj": 6, "proj": 9, "^model.layers.0.mlp.down_proj": 5},
                              alpha_pattern={"layers.0.mlp.up_proj": 16, "^model.layers.1.self_attn.o_proj": 4})),
    "pissa": ("base", dict(target_modules=LINEAR, init_lora_weights="pissa")),
    "olora": ("base", dict(target_modules=LINEAR, init_lora_weights="olora")),
    "several": ("base", dict(target_modules=LINEAR), dict(target_modules=["q_proj", "o_proj"], r=3), {"default": 0.5, "other": 2.0}),
    "several-dora": ("base", dict(target_modules=LINEAR, use_dora=True), dict(target_modules=["q_proj", "o_proj"], use_dora=True), {"default": 1.0, "other": 1.0}),
}


def move(model, name, seed):
    """Moves what the adapter trains, as training would."""
    gen = torch.Generator().manual_seed(seed)
    model.set_adapter(name)
    with torch.no_grad():
        for _, p in sorted((n, p) for n, p in model.named_parameters() if p.requires_grad):
            p.add_(torch.randn(p.shape, generator=gen) * 0.05)


def config(settings):
    return LoraConfig(**{"r": 4, "lora_alpha": 8, "task_type": "CAUSAL_LM", **settings})


def fresh(out, base):
    return AutoModelForCausalLM.from_pretrained(out / base, dtype=torch.float32, attn_implementation="eager").eval()


def record(out, name, seed, base, settings, other=None, scales=None):
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    ids = torch.randint(3, SIZES["vocab_size"], (2, 12), generator=torch.Generator().manual_seed(seed + 100))

    def logits(m):
        with torch.no_grad():
            return m.eval()(input_ids=ids).logits.float()
    answers = {"input_ids": ids, "logits_base": logits(fresh(out, base))}
    made = get_peft_model(fresh(out, base), config(settings))
    move(made, "default", seed)
    report = io.StringIO()
    with contextlib.redirect_stdout(report):
        made.print_trainable_parameters()
    made.save_pretrained(folder / "adapter")
    if other:
        made.add_adapter("other", config(other))
        move(made, "other", seed + 1)
        made.save_pretrained(folder, selected_adapters=["other"])
        (folder / "other").rename(folder / "other-adapter")
    # What the files hold is what is recorded: read them back.
    model = PeftModel.from_pretrained(fresh(out, base), folder / "adapter", is_trainable=True)
    if other:
        model.load_adapter(folder / "other-adapter", "other", is_trainable=True)
        model.base_model.set_adapter(["default", "other"])
        for module in model.modules():
            if hasattr(module, "set_scale"):
                for key, scale in scales.items():
                    module.set_scale(key, scale)
    answers["logits"] = logits(model)
    if not other:
        loss = model(input_ids=ids[:1], labels=ids[:1]).loss
        loss.backward()
        answers["loss"] = loss.detach().reshape(1)
        for key, p in model.named_parameters():
            if p.grad is not None:
                answers["grad/" + key.replace(".modules_to_save.default", "").replace(".default", "")] = p.grad
    answers["logits_merged"] = logits(model.merge_and_unload())
    save_file({k: v.contiguous().clone() for k, v in answers.items()}, folder / "reference.safetensors")
    note = {"base": base, "report": report.getvalue().strip(), "scales": scales, "seed": seed}
    (folder / "reference.json").write_text(json.dumps(note, indent=1) + "\n")
    for file in folder.rglob("README.md"):
        file.unlink()
    for file in folder.rglob("adapter_config.json"):
        file.write_text(json.dumps({**json.loads(file.read_text()), "base_model_name_or_path": base}, indent=2))
    print(name, f"{(answers['logits'] - answers['logits_base']).abs().max():.3f}", f"{(answers['logits'] - answers['logits_merged']).abs().max():.1e}")


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--out", required=True, type=pathlib.Path)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("names", nargs="*")
    a = ap.parse_args()
    for name, spec in MODELS.items():
        spec = dict(spec)
        torch.manual_seed(a.seed)
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(spec.pop("model_type"), **spec)).float()
        gen = torch.Generator().manual_seed(a.seed)
        with torch.no_grad():
            for _, p in sorted(model.named_parameters()):
                p.add_(torch.randn(p.shape, generator=gen) * (0.1 if p.dim() > 1 else 0.05))
        model.save_pretrained(a.out / name)
    for name, case in CASES.items():
        if not a.names or name in a.names:
            record(a.out, name, a.seed, *case)


if __name__ == "__main__":
    main()
