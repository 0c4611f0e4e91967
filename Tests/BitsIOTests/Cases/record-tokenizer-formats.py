#!/usr/bin/env python3
"""Record what transformers, or sentencepiece, answers for tokenizers that come without a tokenizer.json.

    python record-tokenizer-formats.py

Small vocabularies are trained here; `tokenizer-formats.json` beside this script holds the files of each folder, the texts, and the ids and decoded texts.
Where transformers' conversion leaves out what a model of SentencePiece says of spaces and characters, sentencepiece is asked, without special tokens.
Needs: transformers 5.23, tokenizers 0.23, sentencepiece 0.2, tiktoken.
"""
import base64, importlib.util, io, json, pathlib, tempfile
import sentencepiece
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoTokenizer
from transformers.integrations.mistral.tokenizer import MistralConverter

HERE = pathlib.Path(__file__).parent
spec = importlib.util.spec_from_file_location("kinds", HERE / "record-tokenizer-kinds.py")
kinds = importlib.util.module_from_spec(spec)
spec.loader.exec_module(kinds)
TEXTS = ["", " ", "The quick brown fox", "  two  spaces ", "naïve CAFÉ ﬁ ① ½ déjà vu", "东京 日本 x", "quick ☃☃ zq 🙂", "the<s> dog</s> x<mask> [MASK] y <unk> <bos> z", "a\tb\r\nc  d\n",
         "don't! 20% 1234567", "▁▁a <0x41>", "<|im_start|> fox <|begin_of_text|> dog <extra_id_7>"]


def piece_model(**options):
    model = io.BytesIO()
    if options.pop("maps_letters", False):
        table = HERE / "letters.tsv"
        table.write_text("".join("{}\t{}\n".format(" ".join(f"{ord(c):X}" for c in key), " ".join(f"{ord(c):X}" for c in value)) for key, value in kinds.LETTERS.items()))
        options["normalization_rule_tsv"] = str(table)
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(kinds.LINES), model_writer=model, hard_vocab_limit=False, minloglevel=2, **options)
    (HERE / "letters.tsv").unlink(missing_ok=True)
    return model.getvalue()


def byte_pairs():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "<|endoftext|>"]
    tokenizer.train_from_iterator(kinds.LINES, trainers.BpeTrainer(vocab_size=330, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=special, show_progress=False))
    return json.loads(tokenizer.to_str())["model"]


def ranks(model):
    letters = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    letters += [byte for byte in range(256) if byte not in letters]
    scalars = letters[:188] + list(range(256, 324))
    byte_of = {chr(scalar): byte for scalar, byte in zip(scalars, letters)}
    tokens = [token for token in byte_of] + list(dict.fromkeys("".join(merge) for merge in model["merges"]))
    return tokens, "".join(f"{base64.b64encode(bytes(byte_of[c] for c in token)).decode()} {rank}\n" for rank, token in enumerate(tokens)).encode()


def tekken(tokens, **config):
    """Mistral's file: bytes by rank, and more of them than the vocabulary takes."""
    vocabulary = [{"rank": rank, "token_bytes": base64.b64encode(token).decode(), "token_str": None} for rank, token in enumerate(tokens)]
    special = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "<mask>", "the"]
    config = {"pattern": r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+", "num_vocab_tokens": len(tokens), "version": "v7", **config}
    return json.dumps({"config": config, "vocab": vocabulary, "special_tokens": [{"rank": rank, "token_str": token, "is_control": True} for rank, token in enumerate(special)]}).encode()


def folders():
    bytes_model = byte_pairs()
    vocabulary = {"vocab.json": json.dumps(bytes_model["vocab"]).encode(), "merges.txt": ("#version: 0.2\n" + "\n".join(" ".join(m) for m in bytes_model["merges"]) + "\n").encode()}
    pairs = dict(model_type="bpe", vocab_size=330, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False)
    llama = piece_model(split_digits=True, **pairs)
    gemma = piece_model(add_dummy_prefix=False, pad_id=0, eos_id=1, bos_id=2, unk_id=3, eos_piece="<eos>", bos_piece="<bos>", user_defined_symbols=["<start_of_turn>", "▁▁"], **pairs)
    unigram = dict(model_type="unigram", vocab_size=90, maps_letters=True)
    t5 = piece_model(pad_id=0, eos_id=1, unk_id=2, bos_id=-1, **unigram)
    deberta = piece_model(pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]", **unigram)
    words = next(tokenizer for name, tokenizer in kinds.kinds() if name == "BERT, cased").get_vocab()
    lines = "\n".join(sorted(words, key=words.get)) + "\n"
    tokens, listed = ranks(bytes_model)
    start = {"content": "<|begin_of_text|>", "special": True, "normalized": False, "lstrip": False, "rstrip": False, "single_word": False}
    yield "llama", "llama", {"tokenizer.model": llama}, {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True}
    yield "llama, legacy", "llama", {"tokenizer.model": llama}, {"tokenizer_class": "LlamaTokenizer", "legacy": True, "add_bos_token": True, "add_eos_token": True}
    yield "gemma", "gemma2", {"tokenizer.model": gemma}, {"tokenizer_class": "GemmaTokenizer", "add_bos_token": True}
    yield "byte pairs of sentencepiece", "internlm2", {"tokenizer.model": llama}, None
    yield "t5", "t5", {"spiece.model": t5}, {"tokenizer_class": "T5Tokenizer"}
    yield "xlm-r", "xlm-roberta", {"sentencepiece.bpe.model": piece_model(**unigram)}, {}
    yield "deberta-v3 of sentencepiece", "deberta-v2", {"spm.model": deberta}, {"do_lower_case": False, "vocab_type": "spm"}
    yield "unigrams of sentencepiece", "unheard-of", {"tokenizer.model": piece_model(byte_fallback=True, **dict(unigram, vocab_size=350))}, None
    yield "bert", "bert", {"vocab.txt": lines.encode()}, {"tokenizer_class": "BertTokenizer", "do_lower_case": False}
    yield "gpt-2", "gpt2", vocabulary, None
    yield "roberta", "roberta", vocabulary, {"tokenizer_class": "RobertaTokenizer"}
    yield "opt", "opt", vocabulary, {"tokenizer_class": "GPT2Tokenizer", "add_bos_token": True, "bos_token": dict(start, content="</s>", __type="AddedToken"), "eos_token": "</s>", "unk_token": "</s>"}
    yield "qwen 2", "qwen2", vocabulary, {"tokenizer_class": "Qwen2Tokenizer", "added_tokens_decoder": {"330": dict(start, content="<|im_start|>")}}
    of_bytes = [base64.b64decode(line.split()[0]) for line in listed.splitlines()]
    yield "tekken", "mistral", {"tekken.json": tekken(of_bytes, default_vocab_size=len(of_bytes), default_num_special_tokens=12)}, None
    yield "tiktoken", "llama", {"tokenizer.model": listed}, {"tokenizer_class": "PreTrainedTokenizerFast", "added_tokens_decoder": {str(len(tokens) + 1): start}, "bos_token": "<|begin_of_text|>"}


def main():
    cases = []
    for name, kind, files, settings in folders():
        files = dict(files, **{"config.json": json.dumps({"model_type": kind}).encode()})
        if settings is not None:
            files["tokenizer_config.json"] = json.dumps(settings).encode()
        texts = TEXTS
        with tempfile.TemporaryDirectory() as folder:
            for file, content in files.items():
                (pathlib.Path(folder) / file).write_bytes(content)
            if "of sentencepiece" in name:
                processor = sentencepiece.SentencePieceProcessor(model_proto=next(iter(files.values())))
                texts = [text for text in TEXTS if "<" not in text and "[" not in text]
                ids, decoded = [processor.encode(text) for text in texts], None
            else:
                # transformers reads this one by itself only together with mistral-common.
                converter = MistralConverter(f"{folder}/tekken.json").converted() if name == "tekken" else None
                tokenizer = converter or AutoTokenizer.from_pretrained(folder).backend_tokenizer
                ids = [tokenizer.encode(text).ids for text in texts]
                decoded = [tokenizer.decode(i, skip_special_tokens=False) for i in ids]
        cases.append({"name": name, "files": {file: base64.b64encode(content).decode() for file, content in files.items()}, "texts": texts, "ids": ids, "decoded": decoded})
    text = '{"cases": [\n' + ",\n".join(json.dumps(case) for case in cases) + "\n]}\n"
    (HERE / "tokenizer-formats.json").write_text(text)
    print(len(cases), "folders,", len(text), "bytes")


if __name__ == "__main__":
    main()
