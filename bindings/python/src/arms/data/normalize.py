r"""When two answers are the same: the normalisation behind the label's exact match.

The paper marks an output as right "if the VLM's output exactly matches the ground truth answer".
Models wrap the same answer in different ways, so both sides are normalised first, by these rules:

1. The *final answer* is taken from the output: what a thinking model wrote before ``</think>`` is
   dropped, and of an output with lines such as ``Answer: 42`` the last of these counts.
   ``\boxed{42}`` is unwrapped; so are, on both sides, emphasis, code and ``$42$``, whose marks are
   alike and stand at the ends of words: ``**42**``, but not ``2*3*4`` or ``my_file_name``.
2. Text: Unicode NFKC, case folded, accents kept, white space collapsed, punctuation at either end
   of a word dropped, the articles *a*, *an*, *the* dropped. ``"The red Bus."`` equals ``red bus``.
   A power stays one: ``10²`` is ``10^2``, not ``102``; after a letter, ``m²``, ``m^2`` and ``m2``
   are the same.
3. Numbers: when both sides are one number, their values are compared: thousands separators, a
   currency sign before and a unit or per cent sign after the number are ignored unless both sides
   have one and they differ. ``1,200.0`` equals ``1200``, ``50%`` equals ``50``, ``5 kg`` is not
   ``5 m``. With a tolerance, values may differ by that share of the true value.
4. Multiple choice: when the true answer is one capital letter and the question lists options
   (``A. red``, ``(B) blue``), an output may name the letter first (``B``, ``(b)``, ``B: blue``,
   ``The answer is B``) or be the text of one option.

An output that is the answer to the letter is right whatever the rules say.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

# Outputs are what strangers' models say: every repetition is bounded, so that none takes long.
_TAIL: Final = 20_000
_THOUGHT: Final = ("</think>", "</thinking>")
_ANSWER_LINE: Final = re.compile(
    r"^[^\w\n]{0,9}(?:the\s{1,3})?(?:final\s{1,3}|correct\s{1,3})?answer"
    r"(?:\s{1,3}is\s{0,3}:?|\s{0,3}:)\W{0,19}?(?P<answer>[^\s:].*)$",
    re.IGNORECASE | re.MULTILINE,
)
_BOXED: Final = re.compile(r"\\boxed\s{0,3}\{((?:[^{}]|\{[^{}]{0,99}\}){0,199})\}")
_TEXT_COMMAND: Final = re.compile(r"\\text\s{0,3}\{([^{}]{0,199})\}")
_MARKS: Final = re.compile(
    r"(?<![\w*_`$])(?P<mark>\*{1,3}|_{1,3}|`{1,3}|\${1,2})(?=\S)(?P<text>.{0,199}?)(?<=\S)(?P=mark)"
    r"(?![\w*_`$])"
)
# Emphasis around code, and the like.
_MARK_DEPTH: Final = 3
_RAISED: Final = re.compile(r"(?<=[\d)\]}])[\u00b2\u00b3\u00b9\u2070-\u207f]+")
_LOWERED: Final = re.compile(r"(?<=[\d)\]}])[\u2080-\u208e]+")
_POWER_OF_LETTER: Final = re.compile(r"(?<=[^\W\d_])\^(?=\d)")
_ARTICLES: Final = frozenset(("a", "an", "the"))
_NUMBER_LENGTH: Final = 64
_NUMBER: Final = re.compile(
    r"""^(?P<currency>[$€£¥])?\s*
        (?P<value>[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:e[-+]?\d{1,3})?)
        \s*(?P<unit>%|[^\W\d][^\d]{0,20})?$""",
    re.VERBOSE | re.IGNORECASE,
)
_OPTION: Final = re.compile(
    r"^[ \t]{0,9}\(?(?P<letter>[A-Z])[.):][ \t]{0,9}(?P<text>\S.*)$", re.MULTILINE
)
_LETTER_LENGTH: Final = 200
_LETTER_FIRST: Final = re.compile(
    r"^\W{0,9}(?:(?:the\s)?(?:correct\s)?(?:answer|option|choice)\s?(?:is|:)?\W{0,9}){0,2}"
    r"(?P<letter>[A-Z])(?:\s*$|\s?[.):,]|\s(?:is|because|since)\b)",
    re.IGNORECASE,
)


def final_answer(output: str) -> str:
    """Return the part of an output that answers (rule 1)."""
    text = output
    for end in _THOUGHT:
        text = text.rpartition(end)[2]
    text = text.strip()[-_TAIL:]
    boxed = _BOXED.findall(text)
    if boxed:
        return _TEXT_COMMAND.sub(r"\1", boxed[-1]).strip()
    plain = unmarked(text)
    lines = list(_ANSWER_LINE.finditer(plain))
    return (lines[-1]["answer"] if lines else plain).strip()


def unmarked(text: str) -> str:
    """Return a text without the marks of emphasis, code and formulas around words (rule 1)."""
    for _ in range(_MARK_DEPTH):
        text = _MARKS.sub(r"\g<text>", text)
    return text


def _compatible(text: str) -> str:
    """Return a text in Unicode NFKC, whose digits of powers do not become those of the number."""
    raised = _RAISED.sub(r"^\g<0>", text)
    return unicodedata.normalize("NFKC", _LOWERED.sub(r"_\g<0>", raised))


def normalize(text: str) -> str:
    """Return a text as it is compared (rule 2)."""
    folded = _POWER_OF_LETTER.sub("", _compatible(text).casefold())
    words = (_bare(word) for word in folded.split())
    kept = [word for word in words if word]
    # An answer that is nothing but an article stays: "A" may be a grade.
    return " ".join([word for word in kept if word not in _ARTICLES] or kept)


def _bare(word: str) -> str:
    """Drop punctuation at either end; the sign and the point of a number stay."""
    start, end = 0, len(word)
    while end > start and unicodedata.category(word[end - 1])[0] == "P" and word[end - 1] != "%":
        end -= 1
    while start < end and unicodedata.category(word[start])[0] == "P":
        if word[start] in "-." and start + 1 < end and word[start + 1 : start + 2].isdigit():
            break
        start += 1
    return word[start:end]


@dataclass(frozen=True, slots=True)
class Number:
    """A number with what stands around it."""

    # Not a float: 1e999 is not 1e998, and 105 is within 5% of 100 to the last digit.
    value: Decimal
    unit: str
    currency: str


def parse_number(text: str) -> Number | None:
    """Return the number that a text is, or `None` if it is none (rule 3)."""
    plain = _compatible(text).replace("\N{MINUS SIGN}", "-").strip().rstrip(".")
    match = _NUMBER.match(plain) if len(plain) <= _NUMBER_LENGTH else None
    if match is None or not any(map(str.isdigit, match["value"])):
        return None
    try:
        value = Decimal(match["value"].replace(",", ""))
    except InvalidOperation:  # No digit but an exponent's.
        return None
    return Number(value, normalize(match["unit"] or ""), match["currency"] or "")


def same_number(output: Number, answer: Number, tolerance: float) -> bool:
    """Say whether two numbers are the same, up to a share of the true one."""
    for one, other in ((output.unit, answer.unit), (output.currency, answer.currency)):
        if one and other and one != other:
            return False
    if output.value == answer.value:
        return True
    # By its shortest digits, 0.05 is a twentieth.
    return abs(output.value - answer.value) <= Decimal(str(tolerance)) * abs(answer.value)


def options_of(question: str) -> dict[str, str]:
    """Return the options that a question lists, text by letter; none unless there are two."""
    options = {match["letter"]: match["text"].rstrip() for match in _OPTION.finditer(question)}
    return options if len(options) > 1 else {}


def chosen_letter(output: str, options: dict[str, str]) -> str | None:
    """Return the letter of the option that an output chooses (rule 4)."""
    match = _LETTER_FIRST.match(output[:_LETTER_LENGTH])
    if match is not None and match["letter"].upper() in options:
        return match["letter"].upper()
    said = normalize(output)
    matching = [letter for letter, text in options.items() if normalize(text) == said]
    return matching[0] if len(matching) == 1 else None
