"""Write tokenizer.json: small vocabularies, texts, and the ids that the pinned `tokenizers` gives them.

Usage: python make_tokenizer_fixture.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

PINNED = "0.23.3"
VOCABULARY = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "what", "is", "the", "colour", "of", "bus", "?", ".",
    ",", "!", "-", "'", "#", "##", "##s", "##ing", "un", "##aff", "##able", "The", "What", "\u0130", "i",
    "##\u0307", "a", "##a", "b", "##b", "e", "##e", "\xe9", "##\xe9", "x", "##x", "\u4e2d", "\u6587",
    "\u8c48", "\u1112", "##\u1161", "##\u11ab", "\ud55c", "\xdf", "\u03c3", "##\u03c3", "\u03c2",
    "##\u03c2", "\u03b1", "##\u302e", "##\U0001d165", "\U0001f600", "##\u200d", "$", "+", "=", "\xa1",
    "\u3002", "<Tag>", "NAME", "<l>", "<r>", "word", "K", "k",
]  # fmt: skip
TEXTS = [
    "", " ", "what is the colour of the bus?", "WHAT IS THE COLOUR OF THE BUS?!", "The bus's colour...",
    "unaffable", "unaffablex", "buses bus", "## #s ##s", "[SEP] what [MASK]bus[sep] [CLS][CLS]",
    "é e\u0301 É e\u0301\u0316 a\u0301b", "\u0130 i\u0307 \u0130b I", "\u4e2d\u6587a\u4e2d \uf900",
    "\ud55c \u1112\u1161\u11ab", "ΣΑΣ σας ς ß ẞ", "a\u200db a\u00adb a\ufeffb \u0000a\ufffdb a\u0007b",
    "a\tb\nc\rd\u00a0e\u3000x\u2028b\u0085a", "a\U0001d165\u302ea a\u302e\U0001d165a a\U0001d165\u034f\u302e",
    "\U0001f600\U0001f600 \U0001f469\u200d\U0001f4bb", "$a+b=x $ + =", "\u00a1a\u3002b\u2014", "a" * 10, "a" * 11,
    "é" * 10, "e\u0301" * 10, "e\u0301" * 11, "<Tag> <tag> <TAG>a",
    "NAME name NAMEx xNAME \u00e9NAME \u4e2dNAME -NAME-",
    "a <l> b <r> c  <l>  <r>  <l><r>", "word xword wordx Word w\u00f6rd", "\u212a \u212aa",
    "\ue000a\U0010ffffb \u0378a",
]  # fmt: skip
# Flags as in the model file: 1 normalized, 2 single word, 4 strip left, 8 strip right.
SPECIAL = {"[PAD]": 0, "[UNK]": 0, "[CLS]": 0, "[SEP]": 0, "[MASK]": 0}
ADDED = {**SPECIAL, "<Tag>": 1, "NAME": 2, "<l>": 4, "<r>": 8, "word": 3}
CASES: list[tuple[str, bool, bool, bool, bool, dict[str, int]]] = [
    ("uncased", True, True, True, True, SPECIAL),
    ("cased", False, False, True, True, SPECIAL),
    ("lowercase only", True, False, True, True, SPECIAL),
    ("strip only", False, True, True, False, SPECIAL),
    ("no cleaning", False, False, False, False, SPECIAL),
    ("added tokens", True, True, True, True, ADDED),
    ("added tokens, cased", False, False, True, True, ADDED),
]
MAX_WORD_LENGTH = 10


def encode(case: tuple[str, bool, bool, bool, bool, dict[str, int]]) -> dict[str, Any]:
    """Return a case with the reference's ids of every text."""
    name, lowercase, strip, clean, cjk, added = case
    vocabulary = {token: index for index, token in enumerate(VOCABULARY)}
    reference = Tokenizer(
        models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=MAX_WORD_LENGTH)
    )
    reference.normalizer = normalizers.BertNormalizer(
        clean_text=clean, handle_chinese_chars=cjk, strip_accents=strip, lowercase=lowercase
    )
    reference.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    reference.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    for token, flags in added.items():
        options = zip(("normalized", "single_word", "lstrip", "rstrip"), (1, 2, 4, 8), strict=True)
        reference.add_special_tokens(
            [AddedToken(token, **{option: bool(flags & bit) for option, bit in options})]
        )
    return {
        "name": name,
        "lowercase": lowercase,
        "stripAccents": strip,
        "cleanText": clean,
        "splitCJK": cjk,
        "added": [[vocabulary[token], flags] for token, flags in added.items()],
        "ids": [reference.encode(text).ids for text in TEXTS],
    }


def main() -> None:
    """Write the fixture."""
    if tokenizers.__version__ != PINNED:
        sys.exit(f"tokenizers {tokenizers.__version__} is installed; the fixture is made from {PINNED}")
    fixture = {
        "vocabulary": VOCABULARY,
        "maxWordLength": MAX_WORD_LENGTH,
        "texts": TEXTS,
        "cases": [encode(case) for case in CASES],
    }
    text = json.dumps(fixture, separators=(",", ":"))
    Path(__file__).with_name("tokenizer.json").write_text(text + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
