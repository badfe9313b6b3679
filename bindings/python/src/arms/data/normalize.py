r"""When two answers are the same: the normalisation behind the label's exact match.

The paper marks an output as right "if the VLM's output exactly matches the ground truth answer".
Models wrap the same answer in different ways, so both sides are normalised first, by these rules:

1. The *final answer* is taken from the output: what a thinking model wrote before ``</think>`` is
   dropped, and of an output with lines such as ``Answer: 42`` the last of these counts. Emphasis
   and code marks (``**42**``), ``\boxed{42}`` and ``$42$`` are unwrapped.
2. Text: Unicode NFKC, case folded, accents kept, white space collapsed, punctuation at either end
   of a word dropped, the articles *a*, *an*, *the* dropped. ``"The red Bus."`` equals ``red bus``.
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
_MARKS: Final = re.compile(r"[*_`$]{1,3}(?=\S)(.{0,199}?)(?<=\S)[*_`$]{1,3}")
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
    plain = _MARKS.sub(r"\1", text)
    lines = list(_ANSWER_LINE.finditer(plain))
    return (lines[-1]["answer"] if lines else plain).strip()


def normalize(text: str) -> str:
    """Return a text as it is compared (rule 2)."""
    folded = unicodedata.normalize("NFKC", text).casefold()
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

    value: float
    unit: str
    currency: str


def parse_number(text: str) -> Number | None:
    """Return the number that a text is, or `None` if it is none (rule 3)."""
    plain = unicodedata.normalize("NFKC", text).replace("\N{MINUS SIGN}", "-").strip().rstrip(".")
    match = _NUMBER.match(plain) if len(plain) <= _NUMBER_LENGTH else None
    if match is None or not any(map(str.isdigit, match["value"])):
        return None
    try:
        value = float(match["value"].replace(",", ""))
    except ValueError:
        return None
    return Number(value, normalize(match["unit"] or ""), match["currency"] or "")


def same_number(output: Number, answer: Number, tolerance: float) -> bool:
    """Say whether two numbers are the same, up to a share of the true one."""
    for one, other in ((output.unit, answer.unit), (output.currency, answer.currency)):
        if one and other and one != other:
            return False
    if output.value == answer.value:
        return True
    return abs(output.value - answer.value) <= tolerance * abs(answer.value)


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
