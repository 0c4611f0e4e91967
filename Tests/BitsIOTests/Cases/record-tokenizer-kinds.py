#!/usr/bin/env python3
"""Record what Hugging Face's tokenizers answers for small tokenizers of every kind of model.

    python record-tokenizer-kinds.py

Each is trained here on a few lines; `tokenizer-kinds.json` beside this script holds the files, the texts, and the ids, segments and decoded texts of texts and
of pairs of neighbouring ones. Needs: tokenizers 0.23, sentencepiece 0.2 (for a small map of characters).
"""
import base64, io, json, pathlib
import sentencepiece, tokenizers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).parent
LINES = ["The quick brown fox jumps over the lazy dog, and the dog doesn't mind.", "In the beginning there were words; words had pieces, pieces had letters.",
         "A naïve café owner said: it's 20% cheaper than the others' déjà vu!", "東京は日本の首都です。", "Привет, как дела?", "the other fox, another dog, further words"]
TEXTS = ["", " ", "The quick brown fox", "  doesn't  he mind the\tdog?\r\n", "naïve CAFÉ e\u0301 A\u030a\u0323 각 \u1112\u1161\u11ab", "東京です。日本 x", "unaffable ☃☃ zq 🙂",
         "[MASK] the <mask> word [CLS] x </s>", "a\u0000b\ufffdc\u200bd\u00ade\u0085f\u2028g\u3000h", "İstanbul ΑΣ ΟΔΟΣ ǅ ẞ", "ﬁ ① ｶﾞ ﷺ ½ ①\u0302", "\r\n\r \u0600a क्षि 👩‍👩‍👧 🇩🇪🇫🇷",
         "<0x41> ▁▁a ##ing Ġ", "a" * 30, "don't do not it 's , n't . ! x", "\u05d0\u05b0 \u0e01\u0e34 \u1885 \u1cf2 \U000111c9 \ua9bd"]
LETTERS = {"\u00a0": " ", "ﬁ": "fi", "①": "1", "½": "1⁄2", "e\u0301": "é", "\r": " ", "\n": " ", "\u3000": " ", "ﷺ": "صلى", "A\u030a": "Å", "\u200b": ""}


def character_map():
    """A small map of characters as SentencePiece compiles it."""
    table = HERE / "letters.tsv"
    table.write_text("".join("{}\t{}\n".format(" ".join(f"{ord(c):X}" for c in key), " ".join(f"{ord(c):X}" for c in value)) for key, value in LETTERS.items()))
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(LINES), model_writer=model, vocab_size=80, hard_vocab_limit=False, minloglevel=2,
                                             normalization_rule_tsv=str(table))
    table.unlink()
    return sentencepiece_model_pb2.ModelProto.FromString(model.getvalue()).normalizer_spec.precompiled_charsmap


def word_pieces(normalizer, decoder=decoders.WordPiece(), post=None, limit=100):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=limit))
    tokenizer.normalizer, tokenizer.pre_tokenizer, tokenizer.decoder = normalizer, pre_tokenizers.BertPreTokenizer(), decoder
    tokenizer.train_from_iterator(LINES, trainers.WordPieceTrainer(vocab_size=150, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False))
    if post:
        tokenizer.post_processor = post
    return tokenizer


def unigrams(normalizer, pre_tokenizer, decoder, post=None, falls_back=False):
    tokenizer = Tokenizer(models.Unigram())
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.train_from_iterator(LINES, trainers.UnigramTrainer(vocab_size=150, special_tokens=["<pad>", "</s>", "<unk>", "<s>"], unk_token="<unk>", show_progress=False))
    if falls_back:
        raw = json.loads(tokenizer.to_str())
        raw["model"]["vocab"] += [[f"<0x{byte:02X}>", -20.0] for byte in range(256)]
        raw["model"]["byte_fallback"] = True
        tokenizer = Tokenizer.from_str(json.dumps(raw))
    tokenizer.decoder = decoder
    if post:
        tokenizer.post_processor = post
    return tokenizer


def marked(scheme="always", split=True):
    return pre_tokenizers.Metaspace(prepend_scheme=scheme, split=split)


def ties():
    """Sums of scores that are equal, scores above the characters', tokens that begin with the unknown one."""
    scores = [("<unk>", 0.0)] + [(word, -float(len(word))) for word in ("a", "b", "c", "ab", "bc", "abc", "ca", "aa", "aaa", "é", "éa", "x", "the", "th", "he")]
    return Tokenizer(models.Unigram(scores + [("bca", -2.5), ("<unk>x", -1.0), ("☃☃", -90.0)], unk_id=0, byte_fallback=False))


def words():
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.ByteLevel(), pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(LINES, trainers.WordLevelTrainer(vocab_size=60, special_tokens=["[UNK]"], show_progress=False))
    return tokenizer


def kinds():
    bert = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    t5 = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    clean, letters = normalizers.BertNormalizer, normalizers.Precompiled(character_map())
    always, never = decoders.Metaspace(), decoders.Metaspace(prepend_scheme="never")
    in_order = decoders.Sequence([decoders.Metaspace(), decoders.Strip("a", 1, 0), decoders.Replace("th", "TH"), decoders.WordPiece("e"), decoders.Fuse(),
                                  decoders.Replace("an", "AN"), decoders.Strip("t", 2, 0)])
    as_text = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    yield "BERT, uncased", word_pieces(clean(), post=bert)
    yield "BERT, cased", word_pieces(clean(lowercase=False), post=processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2)))
    yield "word pieces with accents", word_pieces(clean(strip_accents=False, handle_chinese_chars=False), decoders.WordPiece(cleanup=False))
    yield "word pieces of short words", word_pieces(clean(clean_text=False, lowercase=False, strip_accents=True), limit=7)
    yield "word pieces, normalized in steps", word_pieces(normalizers.Sequence([normalizers.Lowercase(), normalizers.Strip(), normalizers.StripAccents(), normalizers.Nmt()]))
    yield "T5", unigrams(letters, marked(), always, t5)
    yield "XLM-R", unigrams(normalizers.Sequence([letters, normalizers.Strip(left=False)]), marked(), always, processors.RobertaProcessing(("</s>", 1), ("<s>", 3)))
    yield "unigrams over whole texts, with bytes", unigrams(letters, marked("first", False), as_text, falls_back=True)
    yield "unigrams without a mark", unigrams(normalizers.Sequence([letters, normalizers.Nmt()]), marked("never"), never)
    yield "unigrams, marks as text", unigrams(normalizers.Sequence([normalizers.Lowercase(), normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), None, as_text)
    spaces = normalizers.Sequence([normalizers.Lowercase(), normalizers.Strip(), letters, normalizers.Replace(Regex(" {2,}"), " ")])
    yield "DeBERTa, uncased", unigrams(spaces, pre_tokenizers.Sequence([pre_tokenizers.Punctuation("isolated"), marked()]), always, bert)
    vowels = decoders.Sequence([decoders.Metaspace(), decoders.Replace(Regex("[aeiou]+"), "V"), decoders.Fuse(), decoders.Replace(Regex("V+"), "W")])
    yield "expressions", unigrams(normalizers.Replace(Regex("x*"), "-"), pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), marked()]), vowels)
    yield "unigrams of bytes", unigrams(None, pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel())
    yield "CTC's decoder", unigrams(None, marked(), decoders.CTC(pad_token="▁", word_delimiter_token="e"))
    yield "decoders in order", unigrams(None, marked(), in_order)
    yield "ends of words", unigrams(None, marked(), decoders.BPEDecoder("s"))
    yield "ties", ties()
    yield "words", words()


def main():
    cases = []
    for name, tokenizer in kinds():
        if name in ("BERT, uncased", "T5"):
            tokenizer.add_tokens([AddedToken("the word", normalized=True), AddedToken("naïve", normalized=True)])
            tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True)])
        ids = [tokenizer.encode(text).ids for text in TEXTS]
        pairs = [tokenizer.encode(*pair) for pair in zip(TEXTS, TEXTS[1:])]
        plain = [tokenizer.encode(*pair, add_special_tokens=False).type_ids for pair in zip(TEXTS, TEXTS[1:])]
        tokenizer.enable_truncation(9)
        cut = [tokenizer.encode(*pair).ids for pair in zip(TEXTS, TEXTS[1:])]
        tokenizer.no_truncation()
        cases.append({"name": name, "tokenizer": json.loads(tokenizer.to_str()), "ids": ids, "pairs": [pair.ids for pair in pairs],
                      "segments": [pair.type_ids for pair in pairs], "plain_segments": plain, "cut_to_9": cut, "decoded": [tokenizer.decode(i) for i in ids],
                      "decoded_with_special": [tokenizer.decode(i, skip_special_tokens=False) for i in ids], "backwards": [tokenizer.decode(i[::-1]) for i in ids]})
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    text = f'{{"tokenizers": "{tokenizers.__version__}", "texts": {json.dumps(TEXTS)},\n"cases": [\n{lines}\n]}}\n'
    (HERE / "tokenizer-kinds.json").write_text(text)
    print(len(cases), "tokenizers,", len(text), "bytes")


if __name__ == "__main__":
    main()
