"""Compare the engine's token ids with the pinned Hugging Face `tokenizers`, string by string.

Every Unicode scalar alone and embedded, and random mixtures of everything that the steps of the tokeniser
treat differently, for an uncased and a cased vocabulary and for every kind of added token. Prints the
differences and the time a question takes on both sides. Exits with 1 if anything differs.

Build the engine's side first: swift build -c release --product tokenize

Usage: python tokenizer_parity.py [--vocabulary tokenizer.json] [--questions FILE.jsonl] [--count 200000]
"""

from __future__ import annotations

import argparse
import json
import random
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import tokenizers
from tokenizers import (
    AddedToken,
    Tokenizer,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

PINNED = "0.23.3"
ROOT = Path(__file__).resolve().parents[2]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SCALARS = [value for value in range(0x110000) if not 0xD800 <= value < 0xE000]
# Scalars that the steps of the tokeniser treat differently, from which mixtures are drawn.
INTERESTING = [
    *range(0x180), *range(0x2B0, 0x530), *range(0x590, 0x600), *range(0x610, 0x660),
    *range(0x900, 0x950), *range(0xE31, 0xE4F), *range(0xF71, 0xF85), *range(0x1100, 0x1200, 3),
    *range(0x1E00, 0x2070), *range(0x20D0, 0x2130), *range(0x3000, 0x3100), 0x34F, 0x1B44, 0x302E,
    0x302F, *range(0x4E00, 0x4E10), *range(0xAC00, 0xD7A4, 97), 0xD7FF, 0xE000, 0xE001,
    *range(0xF900, 0xFA10), *range(0xFE00, 0xFE10), 0xFEFF, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000,
    *range(0x1D15E, 0x1D1AD), *range(0x1F466, 0x1F470), *range(0x1F3FB, 0x1F400), 0x16FF0, 0x16FF1,
    0x2F800, 0x2F801, 0x2FA1D, 0xE0020, 0xE007F, 0x10FFFF,
]  # fmt: skip
# Marks of every combining class that the stripping of accents keeps, and some that it drops.
MARKS = [
    0x302E, 0x302F, 0x1B44, 0x1BAA, 0x1BF2, 0xA953, 0x111C0, 0x11235, 0x1134D, 0x16FF0, *range(0x1D165, 0x1D167),
    *range(0x1D16D, 0x1D173), 0x34F, 0x301, 0x316, 0x334, 0x345, 0x94D, 0x93C, 0x5B0, 0x1DCE, 0x11F41,
]  # fmt: skip
EMOJI = ["\U0001f469\u200d\U0001f4bb", "\U0001f1e9\U0001f1ea", "\u2764\ufe0f", "\U0001f44d\U0001f3fd"]


@dataclass
class Case:
    """A tokenizer of the reference and the options that make the engine's alike."""

    name: str
    vocabulary: dict[str, int]
    reference: Tokenizer
    lowercase: bool
    strip: bool
    clean: bool = True
    cjk: bool = True
    flags: dict[str, int] = field(default_factory=dict)

    def options(self, capacity: int) -> str:
        """Return the options as the engine's command line takes them."""
        ids = [self.vocabulary[name] for name in ("[UNK]", "[CLS]", "[SEP]")]
        switches = [self.lowercase, self.strip, self.clean, self.cjk]
        added = [f"{self.vocabulary[name]}:{flags}" for name, flags in self.flags.items()]
        return ",".join([str(capacity), *(str(int(switch)) for switch in switches), *map(str, ids), *added])


def make_case(
    name: str,
    vocabulary: dict[str, int],
    *,
    lowercase: bool,
    strip: bool,
    clean: bool = True,
    cjk: bool = True,
    added: dict[str, int] | None = None,
) -> Case:
    """Return a case over a vocabulary; `added` maps more added tokens to their flags."""
    flags = {**dict.fromkeys(SPECIAL, 0), **(added or {})}
    for token in flags:
        vocabulary = {**vocabulary, token: vocabulary.get(token, len(vocabulary))}
    reference = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    reference.normalizer = normalizers.BertNormalizer(
        clean_text=clean, handle_chinese_chars=cjk, strip_accents=strip, lowercase=lowercase
    )
    reference.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    reference.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")],
    )
    for token, bits in flags.items():
        reference.add_special_tokens(
            [
                AddedToken(
                    token,
                    normalized=bool(bits & 1),
                    single_word=bool(bits & 2),
                    lstrip=bool(bits & 4),
                    rstrip=bool(bits & 8),
                )
            ]
        )
    return Case(name, vocabulary, reference, lowercase, strip, clean, cjk, flags)


def trained_vocabulary(rng: random.Random, words: list[str]) -> dict[str, int]:
    """Return a cased vocabulary, trained on generated text of many scripts."""
    trainer = trainers.WordPieceTrainer(
        vocab_size=8000, special_tokens=SPECIAL, limit_alphabet=4000, show_progress=False
    )
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    letters = [chr(value) for value in SCALARS[0x21:0x3000] if chr(value).isalnum()]
    corpus = [
        " ".join(
            rng.choice(words).title() if rng.random() < 0.7 else "".join(rng.choices(letters, k=3))
            for _ in range(30)
        )
        for _ in range(4000)
    ]
    corpus += ["".join(map(chr, INTERESTING[start::50])) for start in range(50)]
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer.get_vocab()


def scalar_vocabulary() -> dict[str, int]:
    """Return a vocabulary in which the ids of a text spell out its normalised scalars."""
    kept = [chr(value) for value in SCALARS if value < 0x20000 and not 0xAC00 <= value < 0xD7A4]
    tokens = [*SPECIAL, *kept, *(f"##{character}" for character in kept)]
    return {token: index for index, token in enumerate(tokens)}


def mixtures(rng: random.Random, words: list[str], added: list[str]) -> Iterator[str]:
    """Yield random texts without end."""
    while True:
        parts = []
        for _ in range(rng.randint(1, 12)):
            kind = rng.random()
            if kind < 0.35:
                word = rng.choice(words)
                parts.append(rng.choice([word, word.upper(), word.title(), word + rng.choice(words)]))
            elif kind < 0.65:
                parts.append("".join(map(chr, rng.choices(INTERESTING, k=rng.randint(1, 6)))))
            elif kind < 0.69:
                parts.append("x" + "".join(map(chr, rng.choices(MARKS, k=rng.randint(2, 8)))))
            elif kind < 0.72:
                parts.append("".join(map(chr, rng.choices(SCALARS, k=rng.randint(1, 4)))))
            elif kind < 0.84:
                token = rng.choice(added)
                parts.append(rng.choice([token, token.lower(), token.upper(), token[:-1], token * 2]))
            elif kind < 0.9:
                parts.append(rng.choice(EMOJI))
            elif kind < 0.93:
                parts.append(rng.choice(words)[:1] * rng.choice([1, 98, 99, 100, 101, 102, 500]))
            else:
                parts.append(
                    rng.choice([" ", "  ", "\t", "\u00a0", "\u3000", "\u0085", "...", "?!", "\u0130"])
                )
        yield rng.choice([" ", "", "", " "]).join(parts)


def texts_of(case: Case, rng: random.Random, words: list[str], questions: list[str], count: int) -> list[str]:
    """Return `count` texts or more: the questions, every scalar alone and embedded, and mixtures."""
    texts = list(questions)
    # An added token between two scalars makes each a text of its own, and 16 fit one string.
    for start in range(0, len(SCALARS), 16):
        group = [chr(value) for value in SCALARS[start : start + 16]]
        texts.append("[SEP]".join(group))
        texts.append(" ".join(f"a{character}b" for character in group))
    source = mixtures(rng, words, list(case.flags))
    while len(texts) < count:
        texts.append(next(source))
    return texts


def pack(texts: list[str]) -> bytes:
    """Return length-prefixed UTF-8."""
    encoded = (text.encode() for text in texts)
    return b"".join(struct.pack("<I", len(data)) + data for data in encoded)


def engine(
    program: Path, case: Case, texts: list[str], capacity: int, rounds: int = 1
) -> tuple[list[list[int]], int, int]:
    """Return the engine's ids, and the nanoseconds of loading and of encoding everything."""
    vocabulary = sorted(case.vocabulary, key=case.vocabulary.__getitem__)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("vocabulary", "texts", "ids")]
        paths[0].write_bytes(pack(vocabulary))
        paths[1].write_bytes(pack(texts))
        command = [str(program), *map(str, paths), case.options(capacity), str(rounds)]
        printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
        data = paths[2].read_bytes()
    ids, offset = [], 0
    while offset < len(data):
        (length,) = struct.unpack_from("<I", data, offset)
        ids.append(list(struct.unpack_from(f"<{length}i", data, offset + 4)))
        offset += 4 + 4 * length
    return ids, int(printed[0]), int(printed[1])


def compare(program: Path, case: Case, texts: list[str], capacity: int) -> int:
    """Print and return how many texts differ, with and without truncation."""
    case.reference.enable_truncation(capacity)
    ours, load, _ = engine(program, case, texts, capacity)
    differences = 0
    for text, mine in zip(texts, ours, strict=True):
        theirs = case.reference.encode(text).ids
        if mine != theirs:
            differences += 1
            if differences <= 5:
                print(f"  {text[:200]!a}\n    engine    {mine[:40]}\n    reference {theirs[:40]}")
    print(f"{case.name}: {len(texts)} texts, {differences} differences, loaded in {load / 1e6:.2f} ms")
    return differences


def time_questions(program: Path, case: Case, questions: list[str]) -> None:
    """Print the time a question takes on both sides, one thread each, the best of five rounds."""
    case.reference.enable_truncation(512)
    _, _, total = engine(program, case, questions, 512, rounds=20)
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        for question in questions:
            case.reference.encode(question)
        best = min(best, time.perf_counter() - began)
    mine, theirs = total / len(questions) / 1e3, best / len(questions) * 1e6
    print(f"{case.name}: {mine:.3f} us a question, reference {theirs:.2f} us, ratio {mine / theirs:.4f}")


def read_vocabulary(path: Path | None) -> dict[str, int]:
    """Return the ids by token of a file, or of the fixture."""
    if path is None:
        fixture = json.loads((ROOT / "Tests" / "Fixtures" / "tokenizer.json").read_text(encoding="utf-8"))
        return {token: index for index, token in enumerate(fixture["vocabulary"])}
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        vocabulary: dict[str, int] = json.loads(text)["model"]["vocab"]
        return vocabulary
    return {token: index for index, token in enumerate(text.splitlines())}


def main() -> None:
    """Run every case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--vocabulary", type=Path, help="tokenizer.json or vocab.txt, uncased; the fixture's if not given"
    )
    parser.add_argument("--questions", type=Path, help="JSONL with a `question` in every line")
    parser.add_argument("--count", type=int, default=200_000, help="texts of each of the two main cases")
    parser.add_argument("--program", type=Path, default=ROOT / ".build" / "release" / "tokenize")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if tokenizers.__version__ != PINNED:
        sys.exit(f"tokenizers {tokenizers.__version__} is installed; parity is with {PINNED}")

    vocabulary = read_vocabulary(arguments.vocabulary)
    questions = []
    if arguments.questions:
        lines = arguments.questions.read_text(encoding="utf-8").splitlines()
        questions = [json.loads(line)["question"] for line in lines if line.strip()]

    rng = random.Random(arguments.seed)
    words = [token for token in vocabulary if token.isalpha()]
    trained = trained_vocabulary(rng, words)
    scalars = scalar_vocabulary()
    uncased = make_case("uncased", vocabulary, lowercase=True, strip=True)
    cased = make_case("cased", trained, lowercase=False, strip=False)
    every = {"<One>": 1, "TWO": 3, "[Thrée]": 0, "<Four>": 12, "fiVe": 2, "[MASK]": 4, "sIX": 9, "É": 1}
    cases = [
        (uncased, arguments.count),
        (cased, arguments.count),
        (make_case("truncated", vocabulary, lowercase=True, strip=True), 0),
        (make_case("added tokens", vocabulary, lowercase=True, strip=True, added=every), 0),
        (make_case("added, cased", trained, lowercase=False, strip=False, added=every), 0),
        (make_case("scalars, uncased", scalars, lowercase=True, strip=True), 0),
        (make_case("scalars, cased", scalars, lowercase=False, strip=False), 0),
        (make_case("scalars, lowercase only", scalars, lowercase=True, strip=False), 0),
        (make_case("scalars, strip only", scalars, lowercase=False, strip=True), 0),
        (make_case("scalars, no cleaning", scalars, lowercase=True, strip=True, clean=False, cjk=False), 0),
        (make_case("scalars, no cleaning, cased", scalars, lowercase=False, strip=False, clean=False), 0),
    ]
    differences = 0
    for case, count in cases:
        if count:
            texts = texts_of(case, rng, words, questions, count)
        else:
            texts = texts_of(case, rng, words, [], arguments.count * 3 // 4)
        differences += compare(arguments.program, case, texts, 8 if case.name == "truncated" else 4096)
    plain = questions or [" ".join(rng.choices(words, k=15)) + "?" for _ in range(1000)]
    plain = [question for question in plain if 8 <= len(question.split()) <= 25][:2000]
    time_questions(arguments.program, uncased, plain)
    time_questions(arguments.program, cased, plain)
    if differences:
        sys.exit(f"{differences} differences")


if __name__ == "__main__":
    main()
