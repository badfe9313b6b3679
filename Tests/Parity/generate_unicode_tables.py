"""Write Sources/CUnicode/tables.c by asking the pinned reference about every Unicode scalar.

The reference's normaliser, decomposition and regular expressions each carry another version of Unicode, so
its behaviour is measured instead of assumed. What the engine takes for granted (that only U+0130 lowers to
two scalars, that no combining mark separates words, ...) is checked here, and fails the generation.

Usage: python generate_unicode_tables.py [output]
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

PINNED = "0.23.3"
BLOCK_SHIFT = 6
CONTROL, SPACE, CJK, WHITESPACE, PUNCTUATION, NONSPACING, WORD = (1 << bit for bit in range(7))
HANGUL_FIRST, HANGUL_LAST, HANGUL_MARK = 0xAC00, 0xD7A3, 0xFFFF
SCALARS = [value for value in range(0x110000) if not 0xD800 <= value < 0xE000]
# One mark of every canonical combining class, by which the class of any other scalar is measured.
CLASS_MARKS = {
    1: 0x0334, 7: 0x093C, 8: 0x3099, 9: 0x094D, 10: 0x05B0, 11: 0x05B1, 12: 0x05B2, 13: 0x05B3,
    14: 0x05B4, 15: 0x05B5, 16: 0x05B6, 17: 0x05B7, 18: 0x05B8, 19: 0x05B9, 20: 0x05BB, 21: 0x05BC,
    22: 0x05BD, 23: 0x05BF, 24: 0x05C1, 25: 0x05C2, 26: 0xFB1E, 27: 0x064B, 28: 0x064C, 29: 0x064D,
    30: 0x064E, 31: 0x064F, 32: 0x0650, 33: 0x0651, 34: 0x0652, 35: 0x0670, 36: 0x0711, 84: 0x0C55,
    91: 0x0C56, 103: 0x0E38, 107: 0x0E48, 118: 0x0EB8, 122: 0x0EC8, 129: 0x0F71, 130: 0x0F72,
    132: 0x0F74, 202: 0x0327, 214: 0x1DCE, 216: 0x031B, 218: 0x302A, 220: 0x0316, 222: 0x059A,
    224: 0x302E, 226: 0x1D16D, 228: 0x05AE, 230: 0x0301, 232: 0x0315, 233: 0x035C, 234: 0x035D,
    240: 0x0345,
}  # fmt: skip

Record = tuple[int, int, int, int]


def bert(
    clean: bool = False, cjk: bool = False, strip: bool = False, lower: bool = False
) -> normalizers.Normalizer:
    """Return the reference's normaliser with the given steps alone."""
    return normalizers.BertNormalizer(
        clean_text=clean, handle_chinese_chars=cjk, strip_accents=strip, lowercase=lower
    )


def added_token_probe(*, single_word: bool, lstrip: bool) -> Tokenizer:
    """Return a tokenizer whose only purpose is to find one added token, "<t>"."""
    probe = Tokenizer(models.WordPiece({"[UNK]": 0, "<t>": 1}, unk_token="[UNK]"))
    probe.add_tokens([AddedToken("<t>", single_word=single_word, lstrip=lstrip, normalized=False)])
    return probe


def combining_class(character: str, nfd: normalizers.Normalizer) -> int:
    """Measure a canonical combining class, or one of the same rank among the classes in use.

    Of two marks the second moves in front exactly if its class is not 0 and lower than the first's.
    """

    def moves(first: str, second: str) -> bool:
        return first != second and nfd.normalize_str("x" + first + second) == "x" + second + first

    if not moves(character, chr(CLASS_MARKS[1])) and not moves(chr(CLASS_MARKS[240]), character):
        return 0
    above = [value for value, mark in CLASS_MARKS.items() if moves(chr(mark), character)]
    below = [value for value, mark in CLASS_MARKS.items() if moves(character, chr(mark))]
    first, last = max(below, default=0) + 1, min(above, default=255) - 1
    check(first <= last, f"U+{ord(character):04X} has no place among the combining classes")
    return next((value for value in CLASS_MARKS if first <= value <= last), first)


def check(condition: bool, claim: str) -> None:
    """Stop with the claim that does not hold."""
    if not condition:
        raise ValueError(claim)


def measure() -> tuple[list[Record], list[int]]:
    """Return (lowercase delta, decomposition, class, flags) of every scalar, and the decompositions."""
    clean, cjk, strip, lower = bert(clean=True), bert(cjk=True), bert(strip=True), bert(lower=True)
    nfd, words = normalizers.NFD(), pre_tokenizers.BertPreTokenizer()
    single = added_token_probe(single_word=True, lstrip=False)
    lstrip = added_token_probe(single_word=False, lstrip=True)
    records: list[Record] = [(0, 0, 0, 0)] * 0x110000
    decompositions = [0]
    for value in SCALARS:
        character, name, flags = chr(value), f"U+{value:04X}", 0

        cleaned = clean.normalize_str(character)
        check(cleaned in ("", " ", character), f"cleaning maps {name} to something else")
        flags |= CONTROL if cleaned == "" else SPACE if cleaned == " " else 0

        spaced = cjk.normalize_str(character)
        check(spaced in (character, f" {character} "), f"splitting CJK changes {name}")
        flags |= CJK if spaced != character else 0

        pieces = len(words.pre_tokenize_str("a" + character + "a"))
        flags |= {1: 0, 2: WHITESPACE, 3: PUNCTUATION}[pieces]
        stripped_left = lstrip.encode(character + "<t>").offsets[-1][0] == 0
        check(stripped_left == (pieces == 2), f"{name} is space to a regular expression only")
        flags |= WORD if 1 not in single.encode(character + "<t>").ids else 0

        decomposed = nfd.normalize_str(character)
        stripped = strip.normalize_str(character)
        decomposition = 0
        if decomposed == character:
            check(stripped in ("", character), f"stripping accents changes {name}")
            flags |= NONSPACING if stripped == "" else 0
        elif HANGUL_FIRST <= value <= HANGUL_LAST:
            index = value - HANGUL_FIRST
            jamo = chr(0x1100 + index // 588) + chr(0x1161 + index % 588 // 28)
            jamo += chr(0x11A7 + index % 28) if index % 28 else ""
            check(decomposed == jamo and stripped == jamo, f"{name} decomposes unlike Hangul")
            decomposition = HANGUL_MARK
        else:
            decomposition = len(decompositions)
            decompositions += [len(decomposed), *map(ord, decomposed)]

        lowered = lower.normalize_str(character)
        if value == 0x130:
            check(lowered == "i\u0307" and decomposed[0] == "I", "U+0130 lowers to i and U+0307")
            lowered = character
        check(len(lowered) == 1, f"{name} lowers to more than one scalar")

        combining = combining_class(character, nfd) if decomposed == character else 0
        records[value] = (ord(lowered) - value, decomposition, combining, flags)

    separators = SPACE | CJK | WHITESPACE | PUNCTUATION
    for value in SCALARS:
        delta, decomposition, combining, flags = records[value]
        name = f"U+{value:04X}"
        check(
            not combining or not (flags & separators or delta),
            f"{name} combines, and yet separates words or has a case",
        )
        check(
            records[value + delta][3] & separators == flags & separators,
            f"{name} lowers to a scalar of another kind",
        )
        check(value >= 0x80 or not decomposition, f"{name} is ASCII and decomposes")
        if decomposition and decomposition != HANGUL_MARK:
            count = decompositions[decomposition]
            for part in decompositions[decomposition + 1 : decomposition + 1 + count]:
                check(records[part][1] == 0, f"{name} decomposes only in part")
    check(len(decompositions) < HANGUL_MARK, "the decompositions no longer fit an index of 16 bits")
    return records, decompositions


def rows(values: list[int]) -> str:
    """Format integers as the body of a C initialiser."""
    return "\n".join(textwrap.wrap(" ".join(f"{value}," for value in values), 120))


def render(records: list[Record], decompositions: list[int]) -> str:
    """Return tables.c: two-stage cells, unique records, decompositions."""
    unique = sorted(set(records))
    number = {record: index for index, record in enumerate(unique)}
    size = 1 << BLOCK_SHIFT
    block_numbers: dict[tuple[int, ...], int] = {}
    blocks = []
    for start in range(0, len(records), size):
        cells = tuple(number[record] for record in records[start : start + size])
        blocks.append(block_numbers.setdefault(cells, len(block_numbers)))
    cells_flat = [cell for cells in block_numbers for cell in cells]
    body = "\n".join(f"{{{a},{b},{c},{d}}}," for a, b, c, d in unique)
    return f"""/* Generated by Tests/Parity/generate_unicode_tables.py from tokenizers {PINNED}. Do not edit. */
#include "cunicode.h"

_Static_assert(CUNICODE_SHIFT == {BLOCK_SHIFT}, "the tables were made for another block size");

const uint16_t cunicode_blocks[] = {{
{rows(blocks)}
}};

const uint16_t cunicode_cells[] = {{
{rows(cells_flat)}
}};

const cunicode_record cunicode_records[] = {{
{body}
}};

const uint32_t cunicode_decompositions[] = {{
{rows(decompositions)}
}};
"""


def main() -> None:
    """Measure and write."""
    if tokenizers.__version__ != PINNED:
        sys.exit(f"tokenizers {tokenizers.__version__} is installed; these tables are made from {PINNED}")
    default = Path(__file__).resolve().parents[2] / "Sources" / "CUnicode" / "tables.c"
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    output.write_text(render(*measure()), encoding="ascii")


if __name__ == "__main__":
    main()
