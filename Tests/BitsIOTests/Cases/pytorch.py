#!/usr/bin/env python3
"""Makes files of tensors with torch.save, and hostile ones, for the tests of PyTorchFile.

    pytorch.py OUT

NAME.bin stands beside NAME.safetensors, which holds what is to be read from it: contiguous, under the names that the reader gives.
refused/ holds files that are to be refused.
Needs: torch, safetensors.
"""
import collections, io, os, pathlib, pickle, sys, zipfile
import torch
from safetensors.torch import save_file


def flat(value, name=""):
    if isinstance(value, torch.Tensor):
        return {name: value.detach().contiguous().clone()}
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    found = {}
    for key, inner in items:
        found.update(flat(inner, f"{name}.{key}" if name else str(key)))
    return found


def both(out, name, value, **options):
    torch.save(value, out / f"{name}.bin", **options)
    save_file({k: v for k, v in flat(value).items() if v.dtype != torch.complex64}, out / f"{name}.safetensors")


class Call:
    def __init__(self, function, *arguments):
        self.made = (function, arguments)

    def __reduce__(self):
        return self.made


def main():
    out = pathlib.Path(sys.argv[1])
    (out / "refused").mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.LayerNorm(5))
    weights = model.state_dict()
    both(out, "state", weights)
    both(out, "before-1.6", weights, _use_new_zipfile_serialization=False)
    both(out, "protocol-4", dict(weights), pickle_protocol=4)
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    both(out, "views", {"whole": base, "turned": base.t(), "part": base[1:3, 2:5], "column": base[:, 3], "row": base[2], "one": base[1, 1], "none": base[:0],
                        "permuted": base.reshape(2, 3, 4).permute(2, 0, 1)})
    both(out, "views-before-1.6", {"turned": base.t(), "part": base[1:3, 2:5]}, _use_new_zipfile_serialization=False)
    types = [torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int8, torch.uint8, torch.bool]
    both(out, "types", {str(t).removeprefix("torch."): torch.tensor([[0, 1], [1, 1]]).to(t) for t in types})
    both(out, "nested", {"model": collections.OrderedDict(a=base, b=torch.nn.Parameter(base * 2)), "step": 7, "rate": 1e-3, "note": "x", "none": None,
                         "moments": {0: {"exp_avg": base + 1}, 1: [base, (base - 1,)]}, "flag": True, "big": 1 << 40, "negative": -5})
    torch.save({"a": torch.zeros(2, dtype=torch.float64), "b": torch.zeros(1, dtype=torch.complex64)}, out / "wide.bin")
    torch.save({"a": base}, out / "first.bin")
    torch.save({"b": base + 1}, out / "second.bin")

    refused = out / "refused"
    torch.save({"a": Call(os.system, "touch executed")}, refused / "calls.bin")
    torch.save({"a": base, "model": model}, refused / "module.bin")
    torch.save({"a": Call(eval, "1 + 1")}, refused / "evaluates.bin", pickle_protocol=4)
    torch.save({"a": 1, "b": "no tensor"}, refused / "empty.bin")
    torch.save({"a": torch.zeros(1).expand(1 << 40)}, refused / "expanded.bin")
    with open(refused / "plain-pickle.bin", "wb") as file:
        pickle.dump({"a": Call(os.system, "touch executed")}, file)
    buffer = io.BytesIO()
    torch.save({"a": base}, buffer)
    whole = buffer.getvalue()
    (refused / "cut.bin").write_bytes(whole[: len(whole) // 2])
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(refused / "compressed.bin", "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(refused / "missing.bin", "w") as target:
        for name in source.namelist():
            if "/data/" not in name:
                target.writestr(name, source.read(name))
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(refused / "short.bin", "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name)[:40] if "/data/" in name else source.read(name))
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(refused / "big-endian.bin", "w") as target:
        for name in source.namelist():
            target.writestr(name, b"big" if name.endswith("byteorder") else source.read(name))
    with zipfile.ZipFile(refused / "other-archive.bin", "w") as target:
        target.writestr("readme", "hello")


if __name__ == "__main__":
    main()
