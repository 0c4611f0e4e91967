#!/usr/bin/env python3
"""The Python side of the benchmarks: bitsandbytes, torch, transformers and peft on the processor, or on an NVIDIA GPU.

    python peer.py --list                     the names that can be measured
    python peer.py NAME ... [--seconds S]     measure each, one JSON line per name
    python peer.py --serve                    read names from standard input, answer each with a JSON line
    python peer.py --device cuda ...          on the GPU, in the sizes that `bnb bench --device cuda` has there

A line is {"name", "shape", "milliseconds": {"min", "median"}, "repetitions"}, with "tokens" where a call handles so many: the form of
`bnb bench --json`. What fails gives {"name", "error"}, and the next name is measured.
Install with:  pip install torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu
               pip install bitsandbytes==0.50.2 transformers==5.23.0 peft==0.21.2
For a GPU, take torch from an index that has it built for CUDA. Without transformers or peft, what needs them is left out.
"""
import argparse
import gc
import importlib.util
import itertools
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LEXICON = ROOT / "Sources" / "CLexicon" / "lexicon-5m"
TEXT = ROOT / "Sources" / "CLexicon" / "text"

PREFILL, DECODE = 512, 64
TEXTS, LENGTH = 8, 64

MEASUREMENTS = {}


def measurement(name, shape, tokens=None):
    """Registers a function that returns the milliseconds of each call, or of each `tokens` tokens."""

    def register(function):
        MEASUREMENTS[name] = (function, shape, tokens)
        return function

    return register


def repeated(body, seconds, least):
    """Milliseconds of each call of `body`: at least `least` calls, then as many as fit into `seconds`."""
    values, end = [], time.perf_counter() + seconds
    while len(values) < least or (time.perf_counter() < end and len(values) < 1000):
        start = time.perf_counter()
        body()
        values.append((time.perf_counter() - start) * 1e3)
    return values


class Device:
    """Where torch computes, how much it is given there, and how a call is timed: as in Sources/BitsBench."""

    def __init__(self, name):
        import torch

        self.name = name
        self.is_gpu = name != "cpu"
        if self.is_gpu and not torch.cuda.is_available():
            sys.exit(f"peer: torch {torch.__version__} has no GPU here")

    def size(self, processor, gpu):
        return gpu if self.is_gpu else processor

    def rotation(self, byte_count):
        """Operands of so many bytes each that are used in turn, so that none is still in a GPU's cache when its turn comes again."""
        if not self.is_gpu:
            return 1
        import torch

        return 2 * torch.cuda.get_device_properties(0).L2_cache_size // byte_count + 1

    def timed(self, body, seconds, least=3, warm_up=1):
        """Milliseconds of each call of `body`. On a GPU as many calls are queued as take 20 ms, and shared out."""
        if not self.is_gpu:
            for _ in range(warm_up):
                body()
            return repeated(body, seconds, least)
        import torch

        def calls(count):
            for _ in range(count):
                body()
            torch.cuda.synchronize()

        calls(3)
        [once] = repeated(lambda: calls(1), 0, least=1)
        count = min(max(1, int(20 / once)), 2000)
        calls(count)
        return [value / count for value in repeated(lambda: calls(count), seconds, least=3)]


class Once:
    """What a measurement prepared, kept while the same name is measured again."""

    def __init__(self):
        self.name = None
        self.value = None

    def get(self, name, make):
        import torch

        if self.name != name:
            self.name = self.value = None
            gc.collect()
            torch.cuda.empty_cache()
            self.value = make()
            self.name = name
        return self.value


prepared = Once()


def register_quantization(on):
    import torch
    import bitsandbytes.functional as F

    side = on.size(4096, gpu=16384)

    def square(dtype):
        return torch.randn(side, side, generator=torch.Generator(on.name).manual_seed(1), device=on.name).to(dtype)

    def add(short, dtype):
        def four_bit(double_quantization=False):
            return F.quantize_4bit(square(dtype), blocksize=64, quant_type="nf4", compress_statistics=double_quantization)

        @measurement(f"quantize-nf4-{short}", f"{side}x{side} block 64")
        def _(name, seconds):
            weight = prepared.get(name, lambda: square(dtype))
            return on.timed(lambda: F.quantize_4bit(weight, blocksize=64, quant_type="nf4"), seconds)

        @measurement(f"dequantize-nf4-dq-{short}", f"{side}x{side} block 64, double quantization")
        def _(name, seconds):
            packed, state = prepared.get(name, lambda: four_bit(double_quantization=True))
            return on.timed(lambda: F.dequantize_4bit(packed, state), seconds)

        @measurement(f"dequantize-nf4-{short}", f"{side}x{side} block 64")
        def _(name, seconds):
            packed, state = prepared.get(name, four_bit)
            return on.timed(lambda: F.dequantize_4bit(packed, state), seconds)

        @measurement(f"quantize-8bit-{short}", f"{side}x{side} block 256")
        def _(name, seconds):
            weight = prepared.get(name, lambda: square(dtype))
            return on.timed(lambda: F.quantize_blockwise(weight, blocksize=256), seconds)

        @measurement(f"dequantize-8bit-{short}", f"{side}x{side} block 256")
        def _(name, seconds):
            codes, state = prepared.get(name, lambda: F.quantize_blockwise(square(dtype), blocksize=256))
            return on.timed(lambda: F.dequantize_blockwise(codes, state), seconds)

    add("f32", torch.float32)
    add("bf16", torch.bfloat16)


def register_linear(on):
    import torch
    import bitsandbytes as bnb

    out_features, in_features = on.size((5632, 2048), gpu=(14336, 4096))

    def weight():
        """On the processor, from where both kinds of layer quantize on their way to a device."""
        return (torch.randn(out_features, in_features, device=on.name) * 0.02).to(torch.bfloat16).cpu()

    def four_bit():
        layer = bnb.nn.Linear4bit(
            in_features, out_features, bias=False, compute_dtype=torch.bfloat16, compress_statistics=True, quant_type="nf4", device="meta"
        )
        layer.weight = bnb.nn.Params4bit(weight(), requires_grad=False, quant_type="nf4", compress_statistics=True)
        return layer.to(on.name).eval()

    def eight_bit():
        layer = bnb.nn.Linear8bitLt(in_features, out_features, bias=False, has_fp16_weights=False, threshold=6.0, device="meta")
        layer.weight = bnb.nn.Int8Params(weight(), requires_grad=False, has_fp16_weights=False)
        return layer.to(on.name).eval()

    def activations(rows, outliers):
        x = torch.randn(rows, in_features, device=on.name).to(torch.bfloat16)
        x[:, 5::512] += outliers
        return x

    def add(kind, rows, byte_count, make, outliers):
        @measurement(f"linear-{kind}-m{rows}", f"[{rows},{in_features}] x [{out_features},{in_features}] bf16")
        def _(name, seconds):
            layers, x = prepared.get(
                name, lambda: ([make() for _ in range(on.rotation(byte_count))], activations(rows, outliers)))
            logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # a warning at every call
            turn = itertools.cycle(layers)
            with torch.no_grad():
                return on.timed(lambda: next(turn)(x), seconds, least=5, warm_up=3)

    count = out_features * in_features
    for rows in on.size((1, 16, 512), gpu=(1, 4, 16, 64, 512, 2048)):
        add("nf4-dq", rows, count // 2, four_bit, outliers=0)
    for rows in on.size((1, 16, 512), gpu=(1, 16, 512, 2048)):
        add("int8", rows, count, eight_bit, outliers=20)


def register_optimizers(on):
    import torch
    import bitsandbytes.optim as B

    count = on.size(4096 * 4096, gpu=16384 * 16384)

    def add(name, make, dtype=torch.float32):
        @measurement(name, f"{count} {str(dtype).removeprefix('torch.')}")
        def _(name, seconds):
            def prepare():
                parameter = torch.nn.Parameter((torch.randn(count, device=on.name) * 0.02).to(dtype))
                parameter.grad = (torch.randn(count, device=on.name) * 1e-3).to(dtype)
                return make([parameter])

            optimizer = prepared.get(name, prepare)
            return on.timed(optimizer.step, seconds)

    for suffix, dtype in (("", torch.float32), ("-bf16", torch.bfloat16)):
        add(f"adamw-8bit{suffix}", lambda p: B.AdamW8bit(p, lr=1e-4), dtype)
        add(f"adamw-32bit{suffix}", lambda p: B.AdamW32bit(p, lr=1e-4), dtype)
        add(f"lion-8bit{suffix}", lambda p: B.Lion8bit(p, lr=1e-4), dtype)
        add(f"sgd-8bit{suffix}", lambda p: B.SGD8bit(p, lr=1e-4, momentum=0.9), dtype)
        add(f"rmsprop-8bit{suffix}", lambda p: B.RMSprop8bit(p, lr=1e-4), dtype)
        add(f"adagrad-8bit{suffix}", lambda p: B.Adagrad8bit(p, lr=1e-4), dtype)
        add(f"ademamix-8bit{suffix}", lambda p: B.AdEMAMix8bit(p, lr=1e-4), dtype)
    add("adamw-torch-fused", lambda p: torch.optim.AdamW(p, lr=1e-4, fused=True))


# Sizes as in Sources/BitsBench/Generation.swift.
ALIKE = {"vocab_size": 32000, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12}
GROUPED = ALIKE | {"num_key_value_heads": 4, "intermediate_size": 2048, "max_position_embeddings": 2048}
EXPERTS = {"num_hidden_layers": 6, "head_dim": 64, "num_experts": 16, "num_experts_per_tok": 2, "moe_intermediate_size": 512, "norm_topk_prob": True}
DECODERS = [
    ("", "llama", GROUPED, "12 layers, width 768, 12 heads (4 KV), inner 2048"),
    ("-alibi", "bloom", ALIKE, "BLOOM, 12 layers, width 768, 12 heads"),
    ("-learned-positions", "gpt2", ALIKE | {"max_position_embeddings": 1024}, "GPT-2, 12 layers, width 768, 12 heads"),
    ("-experts", "qwen3_moe", GROUPED | EXPERTS, "Qwen 3, 6 layers, width 768, 12 heads (4 KV), 16 experts of 512, 2 a token"),
]
ENCODER = ("bert", ALIKE | {"intermediate_size": 3072}, "BERT, 12 layers, width 768, 12 heads, inner 3072")
REST = "vocabulary 32000, NF4, bf16"


def random_model(on, auto, model_type, fields):
    """A model of the generation measurements, through the files that a person would load."""
    import torch
    from transformers import AutoConfig, BitsAndBytesConfig

    torch.manual_seed(1)
    with tempfile.TemporaryDirectory() as folder:
        # No token ends a text here.
        config = AutoConfig.for_model(model_type, **fields, bos_token_id=None, eos_token_id=None)
        auto.from_config(config).to(torch.bfloat16).save_pretrained(folder)
        return auto.from_pretrained(
            folder, device_map=on.name, dtype=torch.bfloat16,
            quantization_config=BitsAndBytesConfig(
                load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16
            ),
        ).eval()


def register_generation(on):
    import torch
    from transformers import AutoModel, AutoModelForCausalLM

    def tokens(*shape):
        return torch.randint(0, 32000, shape, generator=torch.Generator().manual_seed(2)).to(on.name)

    def add(suffix, model_type, fields, shape):
        def made():
            return prepared.get(f"random {model_type}", lambda: random_model(on, AutoModelForCausalLM, model_type, fields))

        @measurement(f"prefill{suffix}", f"{PREFILL} tokens; {shape}, {REST}", tokens=PREFILL)
        def _(name, seconds):
            model, ids = made(), tokens(1, PREFILL)
            with torch.no_grad():
                return on.timed(lambda: model(ids, logits_to_keep=1).logits.cpu(), seconds)

        @measurement(f"decode{suffix}", f"{DECODE} tokens after 16; {shape}, {REST}", tokens=1)
        def _(name, seconds):
            return decoding(made(), tokens(1, 16), seconds)

    for decoder in DECODERS:
        add(*decoder)
    model_type, fields, shape = ENCODER

    @measurement("encode", f"{TEXTS} texts of {LENGTH} tokens; {shape}, {REST}", tokens=TEXTS * LENGTH)
    def _(name, seconds):
        model = prepared.get(name, lambda: random_model(on, AutoModel, model_type, fields))
        ids = tokens(TEXTS, LENGTH)
        with torch.no_grad():
            return on.timed(lambda: model(ids).last_hidden_state.cpu(), seconds)


def decoding(model, prompt, seconds):
    """Milliseconds a token of greedy decoding, the prompt's own pass left out."""
    import torch

    def once():
        stamps = []

        class Clock:
            def put(self, value):
                stamps.append(time.perf_counter())

            def end(self):
                pass

        model.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=DECODE, min_new_tokens=DECODE, do_sample=False,
            pad_token_id=0, streamer=Clock(),
        )
        # The first stamp is the prompt, the second the token that its pass gave.
        return (stamps[-1] - stamps[1]) * 1e3 / (len(stamps) - 2)

    with torch.no_grad():
        once()
        values, end = [], time.perf_counter() + seconds
        while len(values) < 3 or time.perf_counter() < end:
            values.append(once())
    return values


def register_training(on):
    import torch

    @measurement("epoch", "lexicon-5m, QLoRA r 16, 125 steps of 16 examples")
    def _(name, seconds):
        import bitsandbytes as bnb
        from peft import LoraConfig, get_peft_model
        from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, get_linear_schedule_with_warmup

        model = AutoModelForCausalLM.from_pretrained(
            LEXICON, device_map=on.name, dtype=torch.float32,
            quantization_config=BitsAndBytesConfig(
                load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
                bnb_4bit_compute_dtype=torch.float32,
            ),
        )
        torch.manual_seed(1)
        model = get_peft_model(
            model, LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
        )
        tokenizer = AutoTokenizer.from_pretrained(LEXICON)
        examples = []
        for line in (TEXT / "sft_train.jsonl").read_text().splitlines():
            record = json.loads(line)
            prompt = [0] + tokenizer(record["prompt"], add_special_tokens=False)["input_ids"]
            completion = tokenizer(record["completion"], add_special_tokens=False)["input_ids"] + [1]
            examples.append((prompt, completion))
        order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(1)).tolist()
        trainable = [p for p in model.parameters() if p.requires_grad]
        optimizer = bnb.optim.AdamW8bit(trainable, lr=1e-3, weight_decay=0.0)
        steps = len(order) // 16
        schedule = get_linear_schedule_with_warmup(optimizer, 10, steps)
        model.train()
        total = 0.0
        start = time.perf_counter()
        for step in range(steps):
            batch = [examples[i] for i in order[step * 16 : step * 16 + 16]]
            width = max(len(p) + len(c) for p, c in batch)
            ids = torch.full((16, width), 2)
            mask = torch.zeros((16, width), dtype=torch.long)
            labels = torch.full((16, width), -100)
            for row, (p, c) in enumerate(batch):
                length = len(p) + len(c)
                ids[row, :length] = torch.tensor(p + c)
                mask[row, :length] = 1
                labels[row, len(p) : length] = torch.tensor(c)
            loss = model(input_ids=ids.to(on.name), attention_mask=mask.to(on.name), labels=labels.to(on.name)).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trainable, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            total += loss.item()
        milliseconds = (time.perf_counter() - start) * 1e3
        print(f"epoch: mean training loss {total / steps:.4f}", file=sys.stderr)
        return [milliseconds]


def generate_once(on):
    """The whole-process measurement: load lexicon-5m in NF4 with double quantization and write 32 tokens."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    model = AutoModelForCausalLM.from_pretrained(
        LEXICON, device_map=on.name, dtype=torch.float32,
        quantization_config=BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.float32
        ),
    )
    tokenizer = AutoTokenizer.from_pretrained(LEXICON)
    ids = torch.tensor([[0] + tokenizer("In the beginning", add_special_tokens=False)["input_ids"]]).to(on.name)
    with torch.no_grad():
        answer = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=32, do_sample=False, pad_token_id=2)
    print(tokenizer.decode(answer[0][1:]))


def installed(*modules):
    return all(importlib.util.find_spec(module) for module in modules)


def register_all(on):
    import warnings

    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    register_quantization(on)
    register_linear(on)
    register_optimizers(on)
    if installed("transformers"):
        register_generation(on)
    if installed("transformers", "peft"):
        register_training(on)
    else:
        print("peer: generation needs transformers, training peft too; what cannot be measured is left out", file=sys.stderr)


def answer(name, seconds):
    function, shape, tokens = MEASUREMENTS[name]
    try:
        values = function(name, seconds)
    except Exception as error:
        return json.dumps({"name": name, "error": f"{type(error).__name__}: {error}"})
    result = {
        "name": name,
        "shape": shape,
        "milliseconds": {"min": round(min(values), 6), "median": round(statistics.median(values), 6)},
        "repetitions": len(values),
    }
    if tokens:
        result["tokens"] = tokens
    return json.dumps(result)


def versions():
    modules = [importlib.import_module(name) for name in ("bitsandbytes", "torch", "transformers", "peft") if installed(name)]
    return ", ".join(f"{module.__name__} {module.__version__}" for module in modules)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--list", action="store_true", help="print the names")
    parser.add_argument("--versions", action="store_true", help="print what is measured")
    parser.add_argument("--serve", action="store_true", help="measure the names read from standard input, one a line")
    parser.add_argument("--generate-once", action="store_true", help="load the small model, write 32 tokens, and end")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2.0, help="how long to repeat each measurement (default 2)")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
    import torch

    torch.set_num_threads(options.threads)
    device = Device(options.device)
    if options.generate_once:
        return generate_once(device)
    register_all(device)
    if options.versions:
        print(versions())
    if options.list:
        print("\n".join(MEASUREMENTS), flush=True)
    if options.serve:
        print(flush=True)  # the end of what precedes the answers
    for name in sys.stdin if options.serve else options.names:
        name = name.strip()
        if name not in MEASUREMENTS:
            sys.exit(f"no measurement '{name}'; see --list")
        print(answer(name, options.seconds), flush=True)


if __name__ == "__main__":
    main()
