#!/usr/bin/env python3
"""QLoRA as people write it for transformers, peft and bitsandbytes, on a processor: the Python side of Benchmarks/training.

    python peer_training.py MODEL DATA --steps N [--batch N] [--length N] [--type float32|bfloat16] [--optimizer-bits 8|32] [--eval-data FILE]
    python peer_training.py --random-llama FOLDER     writes a Llama of 12 layers and width 768 with random weights

The first line on standard output comes with the end of the first step, the second is JSON: tokens_per_second (of the steps behind the first one),
seconds, train_loss, eval_nll, steps, of which there have to be two at least.
With bfloat16 the model is loaded in it and steps run under autocast, as the Trainer's `bf16=True` has it.
"""
import argparse
import json
import logging
import os
import time
import warnings
from pathlib import Path


def examples(path, tokenizer, length):
    """Begin token, text, end token, and from where on it is learned: as `bnb train` makes them."""
    result = []
    for line in Path(path).read_text().splitlines():
        record = json.loads(line)
        start = [tokenizer.bos_token_id] + tokenizer(record.get("prompt", ""), add_special_tokens=False)["input_ids"]
        ids = start + tokenizer(record.get("completion", record.get("text")), add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
        result.append((ids[:length], len(start) if "prompt" in record else 0))
    return result


def batch(rows, padding):
    import torch

    width = max(len(ids) for ids, _ in rows)
    ids = torch.full((len(rows), width), padding)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    labels = torch.full((len(rows), width), -100)
    for row, (tokens, start) in enumerate(rows):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        mask[row, : len(tokens)] = 1
        labels[row, start : len(tokens)] = torch.tensor(tokens[start:])
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def evaluated(model, data, padding):
    import torch

    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for start in range(0, len(data), 16):
            rows = batch(data[start : start + 16], padding)
            learned = int((rows["labels"][:, 1:] != -100).sum())
            total += model(**rows).loss.item() * learned
            count += learned
    return total / count


def train(options):
    import bitsandbytes as bnb
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, get_linear_schedule_with_warmup

    torch.set_num_threads(options.threads)
    dtype = getattr(torch, options.type)
    model = AutoModelForCausalLM.from_pretrained(
        options.model, device_map="cpu", dtype=dtype,
        quantization_config=BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype),
    )
    torch.manual_seed(1)
    model = get_peft_model(model, LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"))
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    padding = tokenizer.pad_token_id or 0
    data = examples(options.data, tokenizer, options.length)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    adamw = bnb.optim.AdamW8bit if options.optimizer_bits == 8 else bnb.optim.AdamW32bit
    optimizer = adamw(trained, lr=1e-3, weight_decay=0.0)
    schedule = get_linear_schedule_with_warmup(optimizer, 10, options.steps)
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(1)).tolist()
    model.train()
    losses, tokens, first_tokens, start = [], 0, 0, time.perf_counter()
    for step in range(options.steps):
        places = [order[(step * options.batch + i) % len(order)] for i in range(options.batch)]
        tokens += sum(len(data[place][0]) for place in places)
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            loss = model(**batch([data[place] for place in places], padding)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if step == 0:
            first_tokens, behind_first = tokens, time.perf_counter()
            print("first step", flush=True)
    end = time.perf_counter()
    nll = evaluated(model, examples(options.eval_data, tokenizer, options.length), padding) if options.eval_data else None
    print(json.dumps({"train_loss": sum(losses) / len(losses), "eval_nll": nll, "steps": options.steps, "seconds": end - start,
                      "tokens_per_second": (tokens - first_tokens) / (end - behind_first)}), flush=True)


def write_random_llama(folder):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=32000, hidden_size=768, intermediate_size=2048, num_hidden_layers=12, num_attention_heads=12, num_key_value_heads=4,
        max_position_embeddings=2048, tie_word_embeddings=False, bos_token_id=0, eos_token_id=1,
    )
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?")
    parser.add_argument("data", nargs="?")
    parser.add_argument("--random-llama", metavar="FOLDER")
    parser.add_argument("--steps", type=int, default=125)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--type", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--optimizer-bits", type=int, choices=(8, 32), default=8)
    parser.add_argument("--eval-data")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    for name, value in {"OMP_NUM_THREADS": str(options.threads), "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_OFFLINE": "1",
                        "HF_HUB_DISABLE_PROGRESS_BARS": "1", "TQDM_DISABLE": "1"}.items():
        os.environ[name] = value
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    write_random_llama(options.random_llama) if options.random_llama else train(options)


if __name__ == "__main__":
    main()
