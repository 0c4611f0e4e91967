#!/usr/bin/env python3
"""Record where the regular expressions of Hugging Face's tokenizers match.

    python record-expressions.py [SEED [COUNT]]

`expressions.json` beside this script then holds, for expressions of tokenizer files and for COUNT (100) made up ones, how they cut made-up texts: the
bounds of the pieces in bytes, and those of the matches. Another seed gives other cases for the same test. Needs: tokenizers 0.23.
"""
import json, pathlib, random, sys

import tokenizers
from tokenizers import Regex, pre_tokenizers

HERE = pathlib.Path(__file__).parent
KNOWN = [
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    r" ?[^(\s|[.,!?…。，、।۔،])]+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+", r"\p{N}{1,3}",
    r"[一-龥぀-ゟ゠-ヿ]+",
    '[!\\"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+',
    r"[\r\n]",
    r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+",
    r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$", r"[0-9][0-9][0-9]", r"[^\n]+|[\n]+", r"(?=(\d{3})+(?!\d))", r"\d{1,3}(?=(?:\d{3})*\b)",
    r"\p{Han}+|[^\r\n\p{L}\p{N}]?[\p{L}&&[^\p{Han}]]+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+", r"(?<=\n)\s+|\w+\b|\W",
    r"\s{2,}", r"(?i)[a-k]+", r"[[:punct:]]", r"(?i:straße|ſ)", r"\d|[^\d]+", r"<\|[a-z_]+?\|>", r"(?:[a-c]+d)*?e", r"a*?b|a", r"^\s+|\s+$",
    r"\A\w|\w\z|\w\Z", r".+?(?=\s|$)", r"x*", r"\b", r"\R", r"(a|ab)(c|bcd)(d*)", r"a{2}?", r"\p{^L}+", r"\P{L}+", r"(?i)\p{Lu}+", r"(?i)[^a-z]+",
    r"(?i:k)", r"[\x{41}-\x{5a}\u0061]+", r"(?!a)\w+", r"(?=\w+,)\w+", r"(?:(?!ab).)+", r"\w+(?!\w|\s)", r"a++b?|c?+c", r"[ab]{1,2}+",
    r"(?:ab|a)++", r"\p{Latin}+|\p{Cyrillic}+", r"\h+", r"[^\W\d_]+", r"(?m:.+)", '(?x: a b # c\n )|c', r"(?<w>[a-z])(?#no)[0-9]", r"[a-]|[]x]",
    r"\s*\S+", r"\s+\S*?\s", r"(\s|\w+)(?=\S)", r"\p{Emoji}|\p{Extended_Pictographic}+",
]
ATOMS = ["a", "b", "ab", ".", r"\s", r"\S", r"\w", r"\d", "[a-c]", "[^a]", r"\p{L}", r"\p{Lu}", r"\p{N}", " ", "A", r"[\r\n]", "é", "1", r"\n", "'"]
REPEATS = ["*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{0,3}", "{2,}", "{1,2}?", "++", "*+", "?+"]
WORDS = ["  ", "\r\n", "'ll", "'S", " the", " Hello", "123456", "漢字", "ひら", "é", "e\u0301", "ß", "ſ", "\u212a", "İ", "Ǆ", "ǆ", "ﬀ", "\u00a0", "\u3000",
         "\u2028", "½", "¹", "Ⅷ", "١", "🙂", "👩\u200d👩\u200d👧", "\u200d", "\ufe0f", "ab", "_", "-", "<|x|>"]


def expression(chance, depth):
    kind = chance.random()
    if depth == 0 or kind < 0.35:
        atom = chance.choice(ATOMS)
        result = atom if len(atom) == 1 or atom[0] in "\\[" else f"(?:{atom})"
    elif kind < 0.55:
        return "".join(expression(chance, depth - 1) for _ in range(chance.randint(1, 3)))
    elif kind < 0.75:
        result = "(?:" + "|".join(expression(chance, depth - 1) for _ in range(chance.randint(1, 3))) + ")"
    elif kind < 0.82:
        return f"(?{chance.choice('=!')}{expression(chance, depth - 1)})"
    elif kind < 0.86:
        return chance.choice(["^", "$", r"\b", r"\B", "(?<=a)", r"(?<!\s)"])
    else:
        result = f"({'?i:' if kind < 0.9 else ''}{expression(chance, depth - 1)})"
    return result + chance.choice(REPEATS) if chance.random() < 0.5 else result


def text(chance, length):
    parts = []
    for _ in range(length):
        kind = chance.random()
        if kind < 0.7:
            parts.append(chance.choice("aaabbcABé 1 23\n\r\t'.,! ") if kind < 0.5 else chance.choice(WORDS))
        else:
            last = chance.choice([0x80, 0x3000, 0xd800]) if kind < 0.9 else 0x110000
            parts.append(chr(chance.randrange(0 if kind < 0.9 else 0x10000, last)))
    return "".join(parts)


def bounds(pieces, text):
    return [len(text[:place].encode()) for _, piece in pieces for place in piece]


def main():
    chance = random.Random(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    texts = [""] + [text(chance, length) for length in (1, 2, 3, 5, 8, 8, 13, 13, 21, 21, 34)]
    cases = []
    for pattern in KNOWN + [expression(chance, 3) for _ in range(count)]:
        split = lambda *rest, **options: pre_tokenizers.Split(Regex(pattern), *rest, **options)
        try:
            cases.append({"expression": pattern, "pieces": [bounds(split("isolated").pre_tokenize_str(t), t) for t in texts],
                          "matches": [bounds(split("removed", invert=True).pre_tokenize_str(t), t) for t in texts]})
        except BaseException as error:  # Oniguruma gives up on some expressions, and the binding panics then
            print("left out:", pattern, error)
    lines = ",\n".join(json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in cases)
    result = f'{{"tokenizers": "{tokenizers.__version__}", "texts": {json.dumps(texts)},\n"cases": [\n{lines}\n]}}\n'
    (HERE / "expressions.json").write_text(result)
    print(len(cases), "expressions,", len(result), "bytes")


if __name__ == "__main__":
    main()
