"""Models of every family in shapes that nobody publishes: odd widths, one head, rows that are no multiple of a block, settings other than the usual ones."""
import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

COMMON = dict(vocab_size=267, num_hidden_layers=2, max_position_embeddings=64, eos_token_id=None, bos_token_id=0, pad_token_id=0)
GPT2 = dict(vocab_size=267, n_layer=2, n_positions=64, eos_token_id=None, bos_token_id=0, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
BLOOM = dict(vocab_size=267, n_layer=2, eos_token_id=None, hidden_dropout=0.0, attention_dropout=0.0)


def rotary(kind, **settings):
    return {"rope_type": kind, "rope_theta": 10000.0, **settings}


DECODERS = {
    "llama-shared-head": dict(model_type="llama", **COMMON, hidden_size=40, num_attention_heads=5, num_key_value_heads=1, intermediate_size=56,
                              attention_bias=True, mlp_bias=True, tie_word_embeddings=True),
    "llama-linear": dict(model_type="llama", **COMMON, hidden_size=36, num_attention_heads=1, num_key_value_heads=1, head_dim=10, intermediate_size=41,
                         hidden_act="gelu", rope_parameters=rotary("linear", factor=3.0)),
    "llama3": dict(model_type="llama", **COMMON, hidden_size=33, num_attention_heads=3, num_key_value_heads=3, head_dim=14, intermediate_size=64,
                   rope_parameters=rotary("llama3", factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=16)),
    "llama-yarn": dict(model_type="llama", **COMMON, hidden_size=48, num_attention_heads=6, num_key_value_heads=2, intermediate_size=80,
                       rope_parameters=rotary("yarn", factor=8.0, original_max_position_embeddings=8, attention_factor=0.9, beta_fast=16.0, beta_slow=2.0)),
    "mistral-whole": dict(model_type="mistral", **COMMON, hidden_size=30, num_attention_heads=4, num_key_value_heads=2, head_dim=10, intermediate_size=70,
                          sliding_window=None),
    "mistral-window": dict(model_type="mistral", **COMMON, hidden_size=24, num_attention_heads=2, num_key_value_heads=1, intermediate_size=33,
                           sliding_window=3, tie_word_embeddings=True),
    "qwen2": dict(model_type="qwen2", **COMMON, hidden_size=50, num_attention_heads=5, num_key_value_heads=5, intermediate_size=37,
                  use_sliding_window=True, sliding_window=5, max_window_layers=1),
    "qwen3": dict(model_type="qwen3", **COMMON, hidden_size=28, num_attention_heads=3, num_key_value_heads=3, head_dim=12, intermediate_size=52,
                  attention_bias=True, tie_word_embeddings=True),
    "gemma2": dict(model_type="gemma2", **COMMON, hidden_size=30, num_attention_heads=3, num_key_value_heads=1, head_dim=10, intermediate_size=44,
                   sliding_window=3, attn_logit_softcapping=None, final_logit_softcapping=None, query_pre_attn_scalar=7, attention_bias=True),
    "gemma2-bounded": dict(model_type="gemma2", **COMMON, hidden_size=32, num_attention_heads=2, num_key_value_heads=2, head_dim=22, intermediate_size=45,
                           sliding_window=4, attn_logit_softcapping=0.3, final_logit_softcapping=2.0, query_pre_attn_scalar=3,
                           layer_types=["full_attention", "sliding_attention"], tie_word_embeddings=False),
    "gemma2-wide-heads": dict(model_type="gemma2", **COMMON, hidden_size=32, num_attention_heads=4, num_key_value_heads=2, head_dim=264,
                              intermediate_size=45, sliding_window=4, attn_logit_softcapping=0.4, query_pre_attn_scalar=3, hidden_activation="gelu"),
    "gemma3": dict(model_type="gemma3_text", **COMMON, hidden_size=30, num_attention_heads=3, num_key_value_heads=3, head_dim=6, intermediate_size=44,
                   sliding_window=3, layer_types=["full_attention", "sliding_attention"], query_pre_attn_scalar=5),
    "phi3": dict(model_type="phi3", **COMMON, hidden_size=36, num_attention_heads=3, num_key_value_heads=1, intermediate_size=50,
                 tie_word_embeddings=True, original_max_position_embeddings=64),
    "gpt2": dict(model_type="gpt2", **GPT2, n_embd=36, n_head=3, n_inner=50, activation_function="relu", scale_attn_weights=False,
                 tie_word_embeddings=False),
    "gpt2-one-head": dict(model_type="gpt2", **GPT2, n_embd=22, n_head=1, activation_function="gelu_new", reorder_and_upcast_attn=True),
    "bloom-five-heads": dict(model_type="bloom", **BLOOM, hidden_size=35, n_head=5),
    "bloom-one-head": dict(model_type="bloom", **BLOOM, hidden_size=24, n_head=1, tie_word_embeddings=False, layer_norm_epsilon=1e-3),
    "opt-postnorm": dict(model_type="opt", **COMMON, hidden_size=30, num_attention_heads=5, ffn_dim=41, word_embed_proj_dim=20,
                         do_layer_norm_before=False, dropout=0.0, activation_function="gelu"),
    "opt-unbiased": dict(model_type="opt", **COMMON, hidden_size=24, num_attention_heads=1, ffn_dim=41, word_embed_proj_dim=24, enable_bias=False,
                         dropout=0.0, tie_word_embeddings=False),
    "mixtral-three-of-five": dict(model_type="mixtral", **COMMON, hidden_size=30, num_attention_heads=3, num_key_value_heads=1, intermediate_size=40,
                                  num_local_experts=5, num_experts_per_tok=3, tie_word_embeddings=True),
    "mixtral-one-of-four": dict(model_type="mixtral", **COMMON, hidden_size=32, num_attention_heads=1, num_key_value_heads=1, head_dim=10,
                                intermediate_size=33, num_local_experts=4, num_experts_per_tok=1, sliding_window=4),
    "qwen3-experts": dict(model_type="qwen3_moe", **COMMON, hidden_size=30, num_attention_heads=3, num_key_value_heads=3, head_dim=10,
                          intermediate_size=40, moe_intermediate_size=22, num_experts=6, num_experts_per_tok=2, norm_topk_prob=True,
                          decoder_sparse_step=2),
    "qwen3-all-experts": dict(model_type="qwen3_moe", **COMMON, hidden_size=30, num_attention_heads=2, num_key_value_heads=1, head_dim=12,
                              intermediate_size=40, moe_intermediate_size=22, num_experts=6, num_experts_per_tok=6, attention_bias=True,
                              tie_word_embeddings=True),
}
ENCODERS = {
    "bert": dict(model_type="bert", **COMMON, hidden_size=42, num_attention_heads=3, intermediate_size=50, hidden_act="gelu_new", type_vocab_size=3),
    "roberta": dict(model_type="roberta", **COMMON | dict(max_position_embeddings=66), hidden_size=30, num_attention_heads=5, intermediate_size=44,
                    type_vocab_size=1, hidden_act="relu"),
    "deberta-v3": dict(model_type="deberta-v2", **COMMON, hidden_size=36, num_attention_heads=3, intermediate_size=50, relative_attention=True,
                       position_buckets=6, max_relative_positions=-1, norm_rel_ebd="layer_norm", share_att_key=True, pos_att_type=["p2c", "c2p"],
                       position_biased_input=False, type_vocab_size=0),
    "deberta-v2": dict(model_type="deberta-v2", **COMMON, hidden_size=28, num_attention_heads=2, intermediate_size=30, relative_attention=True,
                       position_buckets=-1, max_relative_positions=7, pos_att_type=["c2p"], position_biased_input=True, type_vocab_size=2),
}


def draw(folder):
    """Writes one model of each shape, with weights at random, and gives their folders."""
    folders = []
    for shapes, auto in ((DECODERS, AutoModelForCausalLM), (ENCODERS, AutoModel)):
        for name, shape in shapes.items():
            torch.manual_seed(3)
            config = AutoConfig.for_model(**shape)
            model = auto.from_config(config).float().eval()
            for parameter in model.parameters():
                if parameter.dim() > 1:
                    parameter.data.normal_(0, 0.16)
                else:
                    parameter.data += torch.randn_like(parameter) * 0.05
            if getattr(config, "tie_word_embeddings", False):
                model.tie_weights()
            folders.append(folder / name)
            model.save_pretrained(folders[-1])
    return folders
