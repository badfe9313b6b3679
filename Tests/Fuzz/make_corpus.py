"""Makes the first inputs of the fuzz targets from the fixtures, in ``Tests/Fuzz/corpus``.

The layout of an input stands at its target, in ``Tests/Fuzz/FuzzTargets``. What a long run finds is added by
``fuzz.sh --merge``; this script adds to the folder and removes nothing. Needs numpy.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Final

from model_files import ALIGNMENT, Model

HERE: Final = Path(__file__).resolve().parent
FIXTURES: Final = HERE.parent / "Fixtures"
# As Host.swift numbers them; the last is left out, because a header of the first is as good.
MODELS: Final = [
    "distilbert-patches-scaled-int8",
    "bert-pooled-scaled",
    "distilbert-concat-scaled",
    "distilbert-patches-scaled-bf16",
]
JPEGS: Final = ["420", "422", "444", "cmyk", "gray", "orientation_6", "progressive", "restart", "rgb", "ycck"]
PNGS: Final = [
    "gray_1_interlaced",
    "gray_16",
    "gray_alpha_8",
    "orientation_6",
    "palette_1_alpha",
    "palette_8",
    "rgb_8_interlaced",
    "rgb_8_key",
    "rgb_alpha_16",
    "size_1x9",
]
TEXTS: Final = [
    "What is the highest value in the chart?",
    "Z\u00fcrich\u2019s caf\u00e9, \u4e2d\u6587 \ud55c\uad6d\uc5b4 [SEP] \U0001f642\u200d\u2642 #hash ##tag",
    "word " * 40,
    "\t\r\n\u00a0\u2028\ufffd\x00\x7f",
    "",
]


def write(target: str, name: str, content: bytes) -> None:
    """Add an input."""
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def models() -> None:
    """Add the headers of models."""
    for number, name in enumerate(MODELS):
        raw = (FIXTURES / "models" / f"{name}.gguf").read_bytes()
        padded = [
            -(-len(tensor.data) // ALIGNMENT) * ALIGNMENT for tensor in Model.read(raw).tensors.values()
        ]
        start = len(raw) - sum(padded)
        write("model", name, struct.pack("<BH", number, start // ALIGNMENT) + raw[:start])
    write("model", "every_type", bytes(3) + (FIXTURES / "every_type.gguf").read_bytes())


def images() -> None:
    """Add images."""
    for kind, names, suffix in (("jpeg", JPEGS, "jpg"), ("png", PNGS, "png")):
        for name in names:
            write(kind, name, (FIXTURES / "images" / f"{kind}_{name}.{suffix}").read_bytes())


def texts() -> None:
    """Add vocabularies with texts."""
    fixture = json.loads((FIXTURES / "tokenizer.json").read_bytes())
    words = fixture.get("vocabulary") or list(fixture["model"]["vocab"])
    lines = "\n".join(words).encode()[:2_048]
    for number, text in enumerate(TEXTS):
        added = struct.pack("<HBBB", 1, number, 1, 3)
        head = struct.pack("<BBBHH", number, 1, 1, 16, len(lines))
        write("tokenizer", f"text_{number}", head + lines + added + bytes(2) + text.encode())
    array = b"".join(struct.pack("<Q", len(word.encode())) + word.encode() for word in words[:100])
    head = struct.pack("<BBBHH", 0, 0, 1, 16, len(array))
    write("tokenizer", "array", head + array + bytes(2) + struct.pack("<H", 100) + TEXTS[0].encode())


def queries() -> None:
    """Add questions with images."""
    for number, text in enumerate(TEXTS):
        kind, name, suffix = [("jpeg", "420", "jpg"), ("png", "rgb_8", "png")][number % 2]
        image = (FIXTURES / "images" / f"{kind}_{name}.{suffix}").read_bytes()
        raw = text.encode()
        head = struct.pack("<HBBBH", number, number, 1, 1, len(raw))
        write("route", f"query_{number}", head + raw + (image if number < 4 else b""))
    options = struct.pack("<HBB", 0, 2, 0) + struct.pack("<ff", 0.5, 0.25) + bytes(4 * 5)
    write("route", "utility", options + b"\1" + struct.pack("<H", len(TEXTS[0])) + TEXTS[0].encode())


# The bytes that ExportsTarget.swift draws: a sound struct, a handle of a fixture's router, a number below a limit.
SOUND: Final = b"\1\1"
NUMBER: Final = struct.Struct("<H").pack
ROUTER: Final = b"\1" + NUMBER(0)


def _text(text: bytes) -> bytes:
    """Return a text that is given with its length."""
    return bytes([len(text)]) + text + b"\1" + NUMBER(len(text))


def _route(query: bytes) -> bytes:
    """Return a call of ``arms_route`` with default options."""
    options = SOUND + bytes(72) + b"\1\1\0"
    return b"\x13" + SOUND + bytes(64) + query + options + SOUND + NUMBER(0) + ROUTER


def exports() -> None:
    """Add lists of calls."""
    question = TEXTS[0].encode()
    tokens = NUMBER(4) + b"".join(b"\1" + NUMBER(token) for token in (2, 9, 11, 3))
    image = (FIXTURES / "images" / "png_size_1x9.png").read_bytes()
    given = SOUND + bytes(48) + NUMBER(len(image)) + image + b"\1\0\0"
    handle = b"\1" + NUMBER(1)
    candidate = b"\0\0" + NUMBER(3)
    write("exports", "route_text", _route(b"\0" + _text(question) + b"\0"))
    write("exports", "route_tokens", _route(b"\3" + tokens + b"\0"))
    encode_question = b"\x0c\0" + _text(question) + ROUTER
    write("exports", "route_question", encode_question + _route(b"\5" + handle + b"\0"))
    encode_image = b"\x0c\1" + ROUTER + given
    write("exports", "route_image", encode_image + b"\x0e\1" + b"\0\0" + handle + b"\1")
    write("exports", "add", b"\4" + handle + NUMBER(1) + NUMBER(0) + SOUND + bytes(104) + candidate)
    write("exports", "tokenize", b"\x10" + _text(question) + b"\1\0" + ROUTER + b"\1\1")
    write("exports", "prepare", b"\x11\1\0" + ROUTER + given + b"\1")


if __name__ == "__main__":
    models()
    images()
    texts()
    queries()
    exports()
