#!/usr/bin/env python3
"""Records what tiny encoders with the heads of their tasks answer.

    tasks.py OUT [NAME ...]

Each NAME is a folder:
    model/                    config.json and model.safetensors, as transformers saves them
    reference.safetensors     input_ids, attention_mask, token_type_ids (where the model has segments), labels, what the model answers on the processor in
                              float32: logits (or hidden, pooled), loss (the mean over labels that are not -100), grad/<name> of every parameter
    reference.json            quantized: the layers that transformers quantizes to 4 bits where nothing is said of them
buckets.json: of DeBERTa's relative positions, the bucket of every distance from 0 (before the middle is added and the ends are cut).
Weights are random: a number of labels, a vocabulary and a width that no two models share by accident.
Needs: torch, transformers, bitsandbytes, safetensors.
"""
import json, pathlib, shutil, sys, tempfile
import torch
from safetensors.torch import save_file
import transformers
from transformers import AutoConfig, BitsAndBytesConfig
import bitsandbytes as bnb

SIZES = dict(vocab_size=96, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, max_position_embeddings=40)
V3 = dict(SIZES, relative_attention=True, position_buckets=8, norm_rel_ebd="layer_norm", share_att_key=True, pos_att_type="p2c|c2p",
          position_biased_input=False, type_vocab_size=0)
CASES = {
    "bert-masked": ("BertForMaskedLM", SIZES),
    "bert-masked-untied": ("BertForMaskedLM", dict(SIZES, tie_word_embeddings=False)),
    "bert-sequences": ("BertForSequenceClassification", dict(SIZES, num_labels=3)),
    "bert-tokens": ("BertForTokenClassification", dict(SIZES, num_labels=5, hidden_act="relu")),
    "roberta": ("RobertaModel", dict(SIZES, type_vocab_size=1)),
    "roberta-masked": ("RobertaForMaskedLM", dict(SIZES, type_vocab_size=1)),
    "roberta-sequences": ("RobertaForSequenceClassification", dict(SIZES, num_labels=3, pad_token_id=2)),
    "roberta-tokens": ("RobertaForTokenClassification", dict(SIZES, num_labels=5)),
    "deberta-masked": ("DebertaV2ForMaskedLM", V3),
    "deberta-masked-new": ("DebertaV2ForMaskedLM", dict(V3, legacy=False)),
    "deberta-sequences": ("DebertaV2ForSequenceClassification", dict(V3, num_labels=3)),
    "deberta-tokens": ("DebertaV2ForTokenClassification", dict(V3, num_labels=5)),
    "deberta-unshared": ("DebertaV2Model", dict(V3, share_att_key=False, position_buckets=-1, max_relative_positions=6, norm_rel_ebd="none",
                                               type_vocab_size=2, position_biased_input=True)),
    "deberta-one-way": ("DebertaV2Model", dict(V3, pos_att_type=["c2p"], position_buckets=4, max_relative_positions=12)),
    "deberta-absolute": ("DebertaV2ForSequenceClassification", dict(V3, relative_attention=False, pos_att_type=None, position_biased_input=True, num_labels=3,
                                                                   pooler_hidden_act="tanh")),
    "deberta-narrow": ("DebertaV2ForTokenClassification", dict(V3, embedding_size=16, num_labels=5)),
}


def randomise(model, gen):
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            p.copy_(torch.randn(p.shape, generator=gen) * 0.2 + (1 if name.endswith("orm.weight") else 0))


def batch(cls, cfg, gen):
    ids = torch.randint(5, cfg.vocab_size, (2, 24), generator=gen)
    mask = torch.ones_like(ids)
    mask[1, 15:] = 0
    ids[1, 15:] = cfg.pad_token_id
    given = {"input_ids": ids, "attention_mask": mask}
    if cfg.type_vocab_size > 1:
        given["token_type_ids"] = (torch.arange(24) >= 11).long().repeat(2, 1)
    if cls.endswith("ForMaskedLM"):
        labels = torch.randint(0, cfg.vocab_size, ids.shape, generator=gen)
        given["labels"] = labels.masked_fill((torch.rand(ids.shape, generator=gen) > 0.3) | (mask == 0), -100)
    elif cls.endswith("ForTokenClassification"):
        given["labels"] = torch.randint(0, cfg.num_labels, ids.shape, generator=gen).masked_fill(mask == 0, -100)
    elif cls.endswith("ForSequenceClassification"):
        given["labels"] = torch.tensor([2, 0])
    return given


def quantized(folder, cls):
    """The layers that are in 4 bits when transformers is asked for a model in 4 bits."""
    cfg = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
    model = cls.from_pretrained(folder, quantization_config=cfg, device_map="cpu")
    return sorted(name for name, module in model.named_modules() if isinstance(module, bnb.nn.Linear4bit))


def record(folder, name, cls, sizes):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    gen = torch.Generator().manual_seed(len(name))
    make = getattr(transformers, cls)
    cfg = make.config_class(**sizes)
    model = make._from_config(cfg, attn_implementation="eager").float().eval()
    randomise(model, gen)
    model.tie_weights()
    model.save_pretrained(folder / "model")
    given = batch(cls, cfg, gen)
    answer = model(**given)
    out = dict(given)
    if "labels" in given:
        out["logits"], out["loss"] = answer.logits, answer.loss.reshape(1)
        answer.loss.backward()
        out.update({f"grad/{n}": p.grad for n, p in model.named_parameters() if p.grad is not None})
    else:
        out["hidden"] = answer.last_hidden_state
        if getattr(answer, "pooler_output", None) is not None:
            out["pooled"] = answer.pooler_output
    save_file({k: v.detach().contiguous().clone() for k, v in out.items()}, folder / "reference.safetensors")
    note = {"transformers": transformers.__version__, "quantized": quantized(folder / "model", make)}
    (folder / "reference.json").write_text(json.dumps(note, indent=1) + "\n")
    print(name, {k: tuple(v.shape) for k, v in out.items() if not k.startswith("grad/")}, len(note["quantized"]))


def buckets(span, farthest):
    from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position

    places = make_log_bucket_position(torch.arange(3 * farthest), span, farthest).long()
    return {"span": span, "farthest": farthest, "buckets": places.tolist()}


def main():
    out, names = pathlib.Path(sys.argv[1]), sys.argv[2:]
    out.mkdir(parents=True, exist_ok=True)
    cases = [buckets(*sizes) for sizes in ((256, 512), (128, 512), (64, 384), (48, 300), (16, 128), (9, 33), (8, 40), (4, 12))]
    (out / "buckets.json").write_text("[\n" + ",\n".join(map(json.dumps, cases)) + "\n]\n")
    for name, (cls, sizes) in CASES.items():
        if not names or name in names:
            record(out / name, name, cls, sizes)


if __name__ == "__main__":
    main()
