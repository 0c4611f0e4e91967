#!/usr/bin/env python3
"""Record what Hugging Face's tokenizers answers for variations of two small tokenizers.

    python record-tokenizers.py [SEED [COUNT]]

Each variation takes the tokenizer.json of a recorded model (../../ParityTests/Cases/models/<base>/model), replaces components of it, and appends
added tokens; `tokenizers.json` beside this script holds the changes, the texts, and the ids and decoded texts. With a seed, COUNT (100) made-up variations
and texts take the place of those below: other cases for the same tests. Needs: tokenizers 0.23.
"""
import importlib, json, pathlib, random, sys
import tokenizers
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).parent
MODELS = HERE.parent.parent / "ParityTests" / "Cases" / "models"
TEXTS = ["", " ", "Hello, world!", "  the  quick\tbrown\r\n\r\n  fox \n", "don't I'LL 'S'ſx we'VE'd", "naïve e\u0301 A\u030a\u0323 각 \u1112\u1161\u11ab 한국 ½ Ⅷ ١٢٣",
         "1234567 3.14", "(a|b), “c”… d. 東京。café، x", "<s>x</s> word swordfish word. <mask> \t y  <r> \n z<both>  don don't", "<0x41> ▁ ▁▁a Ġ <0xE2>",
         "🙂👩‍👩‍👧 \u200b\u00a0\u3000\u2028", "a" * 60 + " " * 30 + "é" * 20, "<norm> the quick the qu", "\x00\x7f\x85\U0010ffff", "\ua7ce\u0897", "a\u0316\u0301\u0345\u0d3b \U00011935\U00011930 ﬁ ① ㎏ ｶﾞ \ufdfa \u1e9b\u0323",
         " 東 東  東 東 東  the 東 quick 東", "Ünïcödé ſtraße", "Ġ▁the Ġ東▁the", "word   x word  word"]


def token(content, **flags):
    return dict(dict(content=content, single_word=False, lstrip=False, rstrip=False, normalized=False, special=False), **flags)


ADDED = [token("<mask>", lstrip=True, special=True), token("<r>", rstrip=True, special=True), token("<both>", lstrip=True, rstrip=True, special=True),
         token("word", single_word=True), token("don", single_word=True, normalized=True), token("<norm>", normalized=True), token("  "),
         token("the qu"), token("é", normalized=True)]
SPLIT = {"type": "Split", "behavior": "Isolated", "invert": False}
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
OPENAI = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
BLOOM = r" ?[^(\s|[.,!?…。，、।۔،])]+"
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}|"
         r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK = [r"\p{N}{1,3}", r"[一-龥぀-ゟ゠-ヿ]+", r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"
            r" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"]


def split(*patterns, behavior="Isolated", invert=False):
    steps = [dict(SPLIT, pattern={"Regex": p}, behavior=behavior, invert=invert) for p in patterns]
    return {"type": "Sequence", "pretokenizers": steps + [BYTES]}


def literal(text, behavior, invert=False):
    return {"type": "Split", "pattern": {"String": text}, "behavior": behavior, "invert": invert}


def steps(*parts):
    return {"type": "Sequence", "pretokenizers": [{"type": part} if isinstance(part, str) else part for part in parts]}


def digits(individual, **byte_level):
    return {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": individual}, dict(BYTES, use_regex=True, **byte_level)]}


def metaspace(scheme, splits, mark="▁"):
    part = {"type": "Metaspace", "replacement": mark, "prepend_scheme": scheme, "split": splits}
    return {"normalizer": None, "pre_tokenizer": part, "decoder": part}


def trained(splitter, byte_level=False, **options):
    """A small model of the texts above, with marks inside or at the end of words; as changes of a tokenizer."""
    tokenizer = Tokenizer(models.BPE(**options))
    tokenizer.pre_tokenizer = splitter
    marks = {key: value for key, value in options.items() if key in ("end_of_word_suffix", "continuing_subword_prefix")}
    alphabet = pre_tokenizers.ByteLevel.alphabet() if byte_level else []
    trainer = trainers.BpeTrainer(vocab_size=500 if byte_level else 150, special_tokens=["<unk>"], initial_alphabet=alphabet, show_progress=False, **marks)
    tokenizer.train_from_iterator([text for text in TEXTS if "Hello" in text or "quick" in text or "don't" in text] * 3, trainer)
    raw = json.loads(tokenizer.to_str())
    return {"model": raw["model"], "pre_tokenizer": raw["pre_tokenizer"], "normalizer": None, "decoder": None, "post_processor": None, "added_tokens": []}


WORDS = pre_tokenizers.Whitespace()
CLIP = pre_tokenizers.Sequence([
    pre_tokenizers.Split(Regex(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), "removed", invert=True),
    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
TEMPLATE = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
            {"SpecialToken": {"id": "</s>", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}, "</s>": {"id": "</s>", "ids": [1, 2], "tokens": ["</s>", "<pad>"]}}}
FALLBACK = [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}]
VARIATIONS = [
    ("llama31", {}, []), ("llama31", {}, ADDED), ("llama31", {"model": {"ignore_merges": False}}, []), ("llama31", {"normalizer": {"type": "NFC"}}, ADDED),
    ("llama31", {"pre_tokenizer": dict(BYTES, use_regex=True)}, ADDED), ("llama31", {"pre_tokenizer": dict(BYTES, use_regex=True, add_prefix_space=True)}, ADDED),
    ("llama31", {"pre_tokenizer": split(QWEN)}, []), ("llama31", {"pre_tokenizer": split(OPENAI, behavior="Removed", invert=True)}, []),
    ("llama31", {"pre_tokenizer": split(BLOOM)}, ADDED), ("llama31", {"pre_tokenizer": split(QWEN, BLOOM)}, []),
    ("llama31", {"pre_tokenizer": digits(True)}, []), ("llama31", {"pre_tokenizer": digits(False, add_prefix_space=True)}, []),
    ("llama31", {"post_processor": {"type": "Sequence", "processors": [{"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}, TEMPLATE]}}, []),
    ("llama", {}, []), ("llama", {}, ADDED), ("llama", {"model": {"byte_fallback": False}}, []), ("llama", {"model": {"byte_fallback": False, "fuse_unk": False}}, []),
    ("llama", {"model": {"byte_fallback": False, "unk_token": None}}, []), ("llama", {"normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}, "decoder": {"type": "Sequence", "decoders": FALLBACK}}, ADDED),
    ("llama", {"decoder": None}, []), ("llama", dict(metaspace("first", False), decoder={"type": "Sequence", "decoders": FALLBACK + [{"type": "Strip", "content": " ", "start": 1, "stop": 0}]}), ADDED),
] + [("llama31", {"pre_tokenizer": part}, []) for part in (
    split(O200K), split(*DEEPSEEK), split(QWEN.replace(r"\p{L}+", r"[\p{L}\p{M}]+")), split(BLOOM, behavior="MergedWithNext"),
    # Falcon's, whose digits are split after bytes have become characters.
    steps({"type": "Punctuation", "behavior": "Contiguous"}, dict(BYTES, use_regex=True), {"type": "Digits", "individual_digits": False},
          dict(SPLIT, pattern={"Regex": "[0-9][0-9][0-9]"})),
    steps("Whitespace", BYTES), steps("WhitespaceSplit", BYTES), steps("BertPreTokenizer", BYTES), steps({"type": "Punctuation", "behavior": "Isolated"}, BYTES),
    steps({"type": "CharDelimiterSplit", "delimiter": "o"}, BYTES), steps({"type": "Digits", "individual_digits": True}, BYTES, "Whitespace"),
    steps(literal(" ", "MergedWithNext"), BYTES), steps(literal("the", "Removed"), BYTES), steps(literal("l", "Contiguous"), BYTES),
    steps(literal(" ", "MergedWithPrevious", invert=True), BYTES), steps(BYTES, dict(BYTES, use_regex=True)),
    steps(dict(BYTES, use_regex=True, add_prefix_space=True), literal("Ġ", "Isolated")))] + [
    # Gemma's.
    ("llama", {"normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}, "pre_tokenizer": literal(" ", "MergedWithPrevious")}, ADDED),
    ("llama", {"pre_tokenizer": steps("WhitespaceSplit", {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}), "normalizer": None}, []),
] + [("llama31", {"normalizer": {"type": form}}, ADDED) for form in ("NFD", "NFKC", "NFKD")] + [
    ("llama31", trained(WORDS, unk_token="<unk>", end_of_word_suffix="</w>"), []), ("llama31", trained(WORDS, continuing_subword_prefix="##"), []),
    ("llama31", trained(WORDS, unk_token="<unk>", fuse_unk=True, continuing_subword_prefix="@@", end_of_word_suffix="/"), []),
    ("llama31", trained(CLIP, byte_level=True, unk_token="<unk>", end_of_word_suffix="</w>"), []),
    ("llama31", {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
                 {"type": "Replace", "pattern": {"Regex": "[^a-z]?$"}, "content": "!"}]}}, []),
    ("llama", {"model": {"byte_fallback": False, "unk_token": None}, "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}}, []),
    # A vocabulary of bytes' characters read as text has no mark of words' starts.
    ("llama31", {"pre_tokenizer": literal("x", "Isolated"), "decoder": None}, []),
    ("llama31", {}, [token("word", rstrip=True), token("  ", lstrip=True, rstrip=True)]),
] + [("llama", metaspace(scheme, splits), ADDED) for scheme in ("always", "first", "never") for splits in (True, False)]


def made_up(chance):
    """A variation of components in any order, and added tokens with any flags."""
    either = lambda: chance.random() < 0.5
    behavior = lambda: chance.choice(["Removed", "Isolated", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"])
    known = importlib.import_module("record-expressions").KNOWN
    splitters = [
        lambda: dict(SPLIT, pattern={"Regex": chance.choice(known)}, behavior=behavior(), invert=either()),
        lambda: dict(SPLIT, pattern={"Regex": chance.choice(known)}), lambda: literal(chance.choice([" ", "the", "a", "  ", "."]), behavior(), either()),
        lambda: {"type": "Digits", "individual_digits": either()}, lambda: {"type": "Punctuation", "behavior": behavior()},
        lambda: {"type": chance.choice(["Whitespace", "WhitespaceSplit", "BertPreTokenizer"])},
        lambda: {"type": "CharDelimiterSplit", "delimiter": chance.choice("ae 1")}, lambda: dict(BYTES, add_prefix_space=either(), use_regex=either()),
        lambda: {"type": "Metaspace", "replacement": chance.choice("▁_"), "prepend_scheme": chance.choice(["always", "never"]), "split": either()}]
    normalizers = [
        lambda: {"type": chance.choice(["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents"])}, lambda: {"type": "Prepend", "prepend": "▁"},
        lambda: {"type": "Strip", "strip_left": either(), "strip_right": either()},
        lambda: {"type": "Replace", "pattern": {"String": chance.choice([" ", "a", "the"])}, "content": chance.choice(["▁", "", "xx"])},
        lambda: {"type": "Replace", "pattern": {"Regex": chance.choice([r"\s+", "[^a-z]", "x*", r"\p{M}+", "(?<=a)b", "^", "$", r"\b"])}, "content": "▁"}]
    base = chance.choice(["llama", "llama31"])
    parts = [chance.choice(splitters)() for _ in range(chance.randint(0, 3))] + [BYTES] * (base == "llama31" and chance.random() < 0.8)
    changes = {"pre_tokenizer": steps(*parts) if parts else None, "model": {
        "unk_token": chance.choice([None, "<unk>"]) if base == "llama" else None, "fuse_unk": either(), "byte_fallback": either(), "ignore_merges": either()}}
    if either():
        changes["normalizer"] = {"type": "Sequence", "normalizers": [chance.choice(normalizers)() for _ in range(chance.randint(0, 2))]}
    words = chance.sample(["<mask>", "<r>", "word", "don", "<norm>", "  ", "the qu", "<", "\n\n", "Hello", "漢字"], chance.randint(0, 6))
    flags = ("single_word", "lstrip", "rstrip", "normalized", "special")
    vocabulary = json.loads((MODELS / base / "model" / "tokenizer.json").read_text())["model"]["vocab"]
    return base, changes, [token(word, **{flag: chance.random() < 0.3 for flag in flags}) for word in words if word not in vocabulary]


def made_up_text(chance):
    words = ["<mask>", "<r>", "word", "don", "<norm>", "  ", "the qu", "é", "<s>", "the", " quick", "fox", "▁", "▁▁", "Ġ", "<0xE2>", "Hello"]
    text = importlib.import_module("record-expressions").text
    return "".join(chance.choice([text(chance, 8), chance.choice(words) + chance.choice(["", " ", "  ", "x"])]) for _ in range(chance.randint(1, 6)))


def main():
    variations, texts = VARIATIONS, TEXTS
    if len(sys.argv) > 1:
        sys.path.insert(0, str(HERE))
        chance = random.Random(int(sys.argv[1]))
        variations = [made_up(chance) for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 100)]
        texts = [made_up_text(chance) for _ in range(40)]
    cases = []
    for base, changes, added in variations:
        raw = json.loads((MODELS / base / "model" / "tokenizer.json").read_text())
        if base == "llama":  # as in real files, bytes are ordinary tokens
            raw["added_tokens"] = [t for t in raw["added_tokens"] if not t["content"].startswith("<0x")]
        for key, value in changes.items():
            raw[key] = dict(raw["model"], **value) if key == "model" else value
        next_id = max(raw["model"]["vocab"].values()) + 1
        added = [dict(id=next_id + i, **t) for i, t in enumerate(added)]
        raw["added_tokens"] += added
        try:
            tokenizer = Tokenizer.from_str(json.dumps(raw))
            ids = [tokenizer.encode(t).ids for t in texts]
        except BaseException as error:  # Oniguruma refuses some expressions, and gives up on others, where the binding panics
            print("left out:", error)
            continue
        cases.append({"base": base, "changes": changes, "added": added, "ids": ids, "decoded": [tokenizer.decode(i) for i in ids],
                      "decoded_with_special": [tokenizer.decode(i, skip_special_tokens=False) for i in ids],
                      "backwards": [tokenizer.decode(i[::-1]) for i in ids]})
    lines = ",\n".join(json.dumps(c) for c in cases)
    text = f'{{"tokenizers": "{tokenizers.__version__}", "texts": {json.dumps(texts)},\n"cases": [\n{lines}\n]}}\n'
    (HERE / "tokenizers.json").write_text(text)
    print(len(cases), "variations,", len(text), "bytes")


if __name__ == "__main__":
    main()
