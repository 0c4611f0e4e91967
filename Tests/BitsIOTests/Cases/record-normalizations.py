#!/usr/bin/env python3
"""Record how Hugging Face's tokenizers normalizes texts full of marks.

    python record-normalizations.py [SEED [COUNT]]

`normalizations.json` beside this script then holds COUNT (150) made-up texts, and each in the forms NFC, NFD, NFKC and NFKD. Another seed gives other cases
for the same test. Needs: tokenizers 0.23.
"""
import json, pathlib, random, sys, unicodedata

import tokenizers
from tokenizers import normalizers

HERE = pathlib.Path(__file__).parent
SCALARS = [value for value in range(0x31000) if not 0xd800 <= value < 0xe000]
MARKS = [value for value in SCALARS if unicodedata.combining(chr(value))]
COMPOSITES = [value for value in SCALARS if unicodedata.decomposition(chr(value))]
LETTERS = "aeiouAEOUcnzs한가각ᄀ하ᅩᆫᆨ\u0301\u0300\u0323\u0307\u0345\u3099\u09be\u0b57が"


def main():
    chance = random.Random(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 150
    pick = lambda: chr(chance.choice(chance.choice([MARKS, MARKS, COMPOSITES, [ord(letter) for letter in LETTERS], SCALARS])))
    texts = ["".join(pick() for _ in range(chance.randint(1, 14))) for _ in range(count)]
    forms = {name: [getattr(normalizers, name)().normalize_str(text) for text in texts] for name in ("NFC", "NFD", "NFKC", "NFKD")}
    lines = ",\n".join(f'"{name}": {json.dumps(values)}' for name, values in forms.items())
    result = f'{{"tokenizers": "{tokenizers.__version__}", "texts": {json.dumps(texts)},\n{lines}}}\n'
    (HERE / "normalizations.json").write_text(result)
    print(len(texts), "texts,", len(result), "bytes")


if __name__ == "__main__":
    main()
