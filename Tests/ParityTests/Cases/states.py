"""Records optimizer states of bitsandbytes as safetensors: python states.py FOLDER (bitsandbytes 0.50.2, torch 2.13.0, CPU).

Each file holds what `state_dict()` has after three steps, its names joined by dots and its parameter groups as JSON in the metadata, and beside that
each parameter before the fourth step, the gradient of that step, and the parameter after it: before.N, gradient.N, after.N.
"""
import json
import sys

import bitsandbytes as bnb
import torch
from safetensors.torch import save_file


def flattened(name, value):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flattened(f"{name}.{key}", inner)
    else:
        yield name, torch.tensor(value, dtype=torch.int64) if isinstance(value, int) else value.clone()


def record(path, make):
    torch.manual_seed(1)
    parameters = [torch.nn.Parameter(torch.randn(20, 30)), torch.nn.Parameter(torch.randn(7))]
    optimizer = make(parameters)

    def step():
        for parameter in parameters:
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()

    for _ in range(3):
        step()
    state = optimizer.state_dict()
    tensors = dict(flattened("state", state["state"]))
    tensors.update({f"before.{i}": p.detach().clone() for i, p in enumerate(parameters)})
    step()
    tensors.update({f"gradient.{i}": p.grad for i, p in enumerate(parameters)})
    tensors.update({f"after.{i}": p.detach().clone() for i, p in enumerate(parameters)})
    save_file(tensors, path, metadata={"format": "pt", "param_groups": json.dumps(state["param_groups"])})


folder = sys.argv[1]
record(f"{folder}/adam8bit.safetensors", lambda p: bnb.optim.Adam8bit(p, lr=1e-2, min_8bit_size=512))
record(f"{folder}/lion32bit.safetensors", lambda p: bnb.optim.Lion32bit(p, lr=1e-3, weight_decay=0.1))
record(f"{folder}/rmsprop32bit.safetensors", lambda p: bnb.optim.RMSprop32bit(p, lr=1e-2, momentum=0.5))
