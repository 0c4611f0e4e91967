"""Has a model of transformers compute its linear layers in int8 by the rule that is written down in Docs/architecture.md: all in float32.

bitsandbytes rounds activations to float16 before it quantizes them on processors, and quantizes no experts; this does neither.
"""
import torch
from transformers.pytorch_utils import Conv1D

LARGEST = torch.tensor(127.0)
UNIT = torch.tensor(1 / 127**2)


def codes(rows):
    """Codes and scales of each row; a row of zeros has codes 0."""
    scales = rows.abs().amax(1)
    # A quotient of tensors: a number by a tensor is a product with its reciprocal, rounded twice.
    return torch.nan_to_num(torch.round(rows * (LARGEST / scales)[:, None])), scales


def linear(x, weight, bias=None, threshold=6.0):
    """`x` [.., K] times `weight` [N, K] transposed: in int8, but for the columns of `x` that hold an outlier."""
    rows = x.reshape(-1, x.shape[-1])
    weight_codes, weight_scales = codes(weight.half().float())
    is_outlier = rows.abs() >= threshold
    columns = is_outlier.any(0)
    row_codes, row_scales = codes(rows.masked_fill(is_outlier, 0))
    sums = row_codes.masked_fill(columns, 0).double() @ weight_codes.double().T
    y = sums.float() * row_scales[:, None] * weight_scales * UNIT + (0 if bias is None else bias)
    if columns.any():
        y = y + rows[:, columns] @ (weight_codes * (weight_scales * (1 / 127))[:, None])[:, columns].T
    return y.reshape(*x.shape[:-1], -1)


def experts(self, x, chosen, shares):
    """The forward of experts that lie stacked, each in one product for its tokens."""
    y = torch.zeros_like(x)
    for number in range(self.num_experts):
        row, slot = torch.where(chosen == number)
        if len(row):
            gate, up = (linear(x[row], weight) for weight in self.gate_up_proj[number].chunk(2))
            y.index_add_(0, row, linear(self.act_fn(gate) * up, self.down_proj[number]) * shares[row, slot, None])
    return y


def compute_in_int8(model):
    """All linear layers of `model` but its head, experts too; routers stay as they are."""
    for module in model.modules():
        if module is model.get_output_embeddings():
            continue
        if isinstance(module, torch.nn.Linear):
            module.forward = lambda x, layer=module: linear(x, layer.weight, layer.bias)
        elif isinstance(module, Conv1D):
            module.forward = lambda x, layer=module: linear(x, layer.weight.T, layer.bias)
        elif hasattr(module, "gate_up_proj") and hasattr(module, "num_experts"):
            module.forward = experts.__get__(module)
