#!/usr/bin/env python3
"""Write what peft's LoftQ makes of a matrix in one round, two and five.

    python loftq.py --out loftq --seed 1

reference.safetensors   weight [N, K]; for each number of rounds base.ROUNDS, what the codes of nf4 stand for in the end, and update.ROUNDS, the product B · A
reference.json          rank, rounds, seed
peft runs LoftQ on a GPU alone; here its function is told to stay on the processor. Needs: torch, peft, bitsandbytes, safetensors.
"""
import argparse, inspect, json, pathlib
import torch
from safetensors.torch import save_file
from peft.utils import loftq_utils

RANK, ROUNDS = 4, [1, 2, 5]


def on_processor(function):
    """The function with "cpu" in the place of the device that it names, and without the line that wants an accelerator's cache emptied."""
    source = inspect.getsource(function).replace('"cuda"', '"cpu"').replace("clear_device_cache()", "pass").replace("@torch.no_grad()", "")
    scope = dict(vars(loftq_utils))
    exec(source, scope)
    return torch.no_grad()(scope[function.__name__])


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--out", required=True, type=pathlib.Path)
    ap.add_argument("--seed", type=int, default=1)
    a = ap.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    gen = torch.Generator().manual_seed(a.seed)
    weight = torch.randn(48, 64, generator=gen) * 0.05 * (1 + torch.rand(48, 1, generator=gen))
    answers = {"weight": weight}
    loftq = on_processor(loftq_utils.loftq_init)
    for rounds in ROUNDS:
        base, down, up = loftq(weight, num_bits=4, reduced_rank=RANK, num_iter=rounds)
        answers[f"base.{rounds}"], answers[f"update.{rounds}"] = base.contiguous(), (up @ down).contiguous()
        print(rounds, f"{(weight - base - up @ down).norm() / weight.norm():.4f}")
    save_file(answers, a.out / "reference.safetensors")
    (a.out / "reference.json").write_text(json.dumps({"rank": RANK, "rounds": ROUNDS, "seed": a.seed}, indent=1) + "\n")


if __name__ == "__main__":
    main()
