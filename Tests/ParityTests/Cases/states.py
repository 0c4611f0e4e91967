"""Records optimizer states of bitsandbytes as safetensors: python states.py FOLDER (bitsandbytes 0.50.2, torch 2.13.0, CPU).

Each file holds what `state_dict()` has after three steps, its names joined by dots and its parameter groups as JSON in the metadata, and beside that
each parameter before the fourth step, the gradient of that step, and the parameter after it: before.N, gradient.N, after.N. Files in -flat have the
layout of bitsandbytes before 0.50, whose state_dict was torch's.

nf4-as-dict.safetensors is a 4-bit weight with `QuantState.as_dict(packed=False)`, an entry for each field (texts as their bytes), and what it stands for.
"""
import json
import sys

import bitsandbytes as bnb
import bitsandbytes.functional as F
import torch
from safetensors.torch import save_file


def flattened(name, value):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flattened(f"{name}.{key}", inner)
    else:
        yield name, torch.tensor(value, dtype=torch.int64) if isinstance(value, int) else value.clone()


def record(path, make, flat=False):
    torch.manual_seed(1)
    parameters = [torch.nn.Parameter(torch.randn(20, 30)), torch.nn.Parameter(torch.randn(7))]
    optimizer = make(parameters)

    def step():
        for parameter in parameters:
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()

    for _ in range(3):
        step()
    state = torch.optim.Optimizer.state_dict(optimizer) if flat else optimizer.state_dict()
    tensors = dict(flattened("state", state["state"]))
    tensors.update({f"before.{i}": p.detach().clone() for i, p in enumerate(parameters)})
    step()
    tensors.update({f"gradient.{i}": p.grad for i, p in enumerate(parameters)})
    tensors.update({f"after.{i}": p.detach().clone() for i, p in enumerate(parameters)})
    save_file(tensors, path, metadata={"format": "pt", "param_groups": json.dumps(state["param_groups"])})


def record_weight(path):
    torch.manual_seed(1)
    packed, state = F.quantize_4bit(torch.randn(96, 64, dtype=torch.bfloat16), quant_type="nf4", compress_statistics=True)
    tensors = {"weight": packed, "dequantized": F.dequantize_4bit(packed, state)}
    for key, value in state.as_dict(packed=False).items():
        value = list(value.encode()) if isinstance(value, str) else value
        kind = torch.uint8 if isinstance(value, list) else torch.float32 if isinstance(value, float) else torch.int64
        tensors[f"weight.{key}"] = value if isinstance(value, torch.Tensor) else torch.tensor(value, dtype=kind)
    save_file(tensors, path, metadata={"format": "pt"})


folder = sys.argv[1]
record(f"{folder}/adam8bit.safetensors", lambda p: bnb.optim.Adam8bit(p, lr=1e-2, min_8bit_size=512))
record(f"{folder}/lion32bit.safetensors", lambda p: bnb.optim.Lion32bit(p, lr=1e-3, weight_decay=0.1))
record(f"{folder}/rmsprop32bit.safetensors", lambda p: bnb.optim.RMSprop32bit(p, lr=1e-2, momentum=0.5))
record(f"{folder}/ademamix8bit.safetensors", lambda p: bnb.optim.AdEMAMix8bit(p, lr=1e-2, t_alpha=5, t_beta3=5, weight_decay=0, min_8bit_size=512))
record(f"{folder}/ademamix.safetensors", lambda p: bnb.optim.AdEMAMix(p, lr=1e-2, weight_decay=0))
# At 10 the bound on the step does not act: what it is compared with lacks the bias correction on processors.
record(f"{folder}/lamb32bit.safetensors", lambda p: bnb.optim.LAMB32bit(p, lr=1e-2, max_unorm=10))
record(f"{folder}/lamb8bit.safetensors", lambda p: bnb.optim.LAMB(p, lr=1e-2, max_unorm=10, optim_bits=8, min_8bit_size=512))
record(f"{folder}/adam8bit-flat.safetensors", lambda p: bnb.optim.Adam8bit(p, lr=1e-2, min_8bit_size=512), flat=True)
record(f"{folder}/ademamix8bit-flat.safetensors", lambda p: bnb.optim.AdEMAMix8bit(p, lr=1e-2, weight_decay=0, min_8bit_size=512), flat=True)
record_weight(f"{folder}/nf4-as-dict.safetensors")
