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
    lines = "\n".join(fixture["vocabulary"]).encode()[:2_048]
    for number, text in enumerate(TEXTS):
        added = struct.pack("<HBBB", 1, number, 1, 3)
        head = struct.pack("<BBHH", number, 1, 16, len(lines))
        write("tokenizer", f"text_{number}", head + lines + added + text.encode())


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
    unknown = NUMBER(1) + b"\0" + struct.pack("<i", 1 << 20)
    write("exports", "route_unknown_token", _route(b"\3" + unknown + b"\0"))
    encode_question = b"\x0c\0" + _text(question) + ROUTER
    write("exports", "route_question", encode_question + _route(b"\5" + handle + b"\0"))
    encode_image = b"\x0c\1" + ROUTER + given
    write("exports", "route_image", encode_image + b"\x0e\1" + b"\0\0" + handle + b"\1")
    write("exports", "add", b"\4" + handle + NUMBER(1) + NUMBER(0) + SOUND + bytes(104) + candidate)
    write("exports", "tokenize", b"\x10" + _text(question) + b"\1\0" + ROUTER + b"\1\1")
    write("exports", "prepare", b"\x11\1\0" + ROUTER + given + b"\1")


# The bytes that DataSetTarget.swift draws: the data set that every input begins with, a call that reads it.
DATASET: Final = b"\1"
READ: Final = b"\x0b\1"
HALF: Final = b"\1"


def _outcome(candidate: bytes, label: int) -> bytes:
    """Return an outcome of a candidate by name."""
    return struct.pack("<IIQifd", 0, 0, 0, label, 1, 0) + HALF + bytes([len(candidate)]) + candidate + b"\3"


def _sample(text: bytes, images: list[bytes], labels: dict[bytes, int]) -> bytes:
    """Return a sample with encoded images and outcomes."""
    given = b"".join(bytes(48) + NUMBER(len(image)) + image + b"\1\0\0" for image in images)
    count = b"\1" + NUMBER(len(images)) if images else b"\0"
    outcomes = b"".join(_outcome(name, label) for name, label in labels.items())
    return bytes(48) + _text(text) + count + SOUND + given + NUMBER(len(labels)) + SOUND + outcomes


def _add(*samples: bytes) -> bytes:
    """Return a call that adds samples."""
    return b"\2" + DATASET + NUMBER(len(samples)) + SOUND + b"".join(samples)


def _trainer(flags: int, layers: int, *uses: bytes, rank: int = 0) -> bytes:
    """Return a call that makes a trainer of the second fixture and uses it."""
    options = struct.pack("<6I", 0, flags, 0, layers, layers, 1).ljust(120, b"\0")
    options += struct.pack("<IId", rank, 0, 0)
    return READ + NUMBER(3) + NUMBER(1) + b"\1" + SOUND + options + b"".join(uses)


def datasets() -> None:
    """Add lists of calls that fill a data set and read it."""
    both = {b"small": 1, b"large": 0}
    png = (FIXTURES / "images" / "png_size_1x9.png").read_bytes()
    plain = _add(_sample(b"one", [], both), _sample(b"two", [], {b"small": 0}))
    pictures = _add(_sample(b"what?", [png], both), _sample(b"who?", [png, png], {b"large": 1}))
    run = NUMBER(0) + HALF + SOUND + bytes(24) + b"\1" + NUMBER(5)
    checkpoints = NUMBER(0) + HALF + SOUND + struct.pack("<IIQQ", 0, 1, 0, 0) + b"\0" + NUMBER(5)
    evaluate, gradients = NUMBER(2) + SOUND, NUMBER(3) + NUMBER(2) + b"\1\0\0\1\1\0" + b"\1"
    step = NUMBER(4) + b"\0" + struct.pack("<f", 1e-3)
    lists = NUMBER(5) + NUMBER(2) + SOUND + b"\1", NUMBER(6) + b"\0" + SOUND + b"\1"
    write("dataset", "rows", plain + _add(_sample(b"two", [], {b"large": 1})))
    write("dataset", "again", plain + _add(_sample(b"one", [], both)))
    write("dataset", "train", plain + _trainer(0, 0, run, evaluate, *lists))
    write("dataset", "train_all", pictures + _trainer(3, 3, run, checkpoints, NUMBER(7) + NUMBER(0)))
    write("dataset", "adapters", pictures + _trainer(0, 3, run, evaluate, NUMBER(8), rank=2))
    write("dataset", "gradients", pictures + _trainer(0, 1, gradients, step, gradients))
    write("dataset", "unknown", _add(_sample(b"one", [], {b"nobody": 1})) + _trainer(0, 0, run))
    own = NUMBER(1) + b"\1"
    strength = b"\0" + struct.pack("<f", 0)
    write("dataset", "calibrate", plain + READ + NUMBER(0) + own + strength)
    small = b"\1" + NUMBER(1) + b"\0" + NUMBER(0)
    write("dataset", "fit", pictures + READ + NUMBER(1) + own + small + strength)
    options = struct.pack("<6I", 0, 0, 0, 0, 0, 1).ljust(136, b"\0")
    extension = SOUND + bytes(64) + b"\1\0\0\1"
    write(
        "dataset",
        "extend",
        plain + READ + NUMBER(2) + own + small + b"\1" + SOUND + options + extension + SOUND,
    )
    # The last claims rows so far apart that their number times their distance, and nothing else, overflows.
    for name, stride, count in ("raw", 9, 18), ("raw_rows", 12, 24), ("raw_far_rows", (1 << 63) - 1, 18):
        pixels = bytes(range(count))
        raw = struct.pack("<6I3Q", 0, 2, 0, 3, 2, 0, 0, 0, stride) + NUMBER(len(pixels)) + pixels
        one = bytes(48) + _text(b"raw") + b"\1" + NUMBER(1) + SOUND + raw + b"\1\1\0"
        labels = NUMBER(1) + SOUND + _outcome(b"small", 1)
        write("dataset", name, _add(one + labels) + _trainer(0, 0, evaluate))


# The keys of a checkpoint, in their order.
BASE, OPTIMIZER_STEP, STEP, METRICS = 3, 7, 9, 11


def checkpoints() -> None:
    """Add lists of changes to a checkpoint."""

    def value(key: int, content: bytes, kind: int = 10) -> bytes:
        return NUMBER(0) + NUMBER(key) + b"\0" + bytes([kind]) + NUMBER(len(content)) + content

    def array(key: int, claimed: int, content: bytes) -> bytes:
        head = NUMBER(1) + NUMBER(key) + struct.pack("<Q", claimed)
        return head + b"\0\1\1" + NUMBER(len(content)) + content

    def number(place: int, bits: float) -> bytes:
        return NUMBER(7) + NUMBER(place) + NUMBER(0) + struct.pack("<f", bits)

    write("checkpoint", "same", NUMBER(8) + b"\1" + NUMBER(32_767))
    write("checkpoint", "other_step", value(STEP, struct.pack("<Q", 1)))
    write("checkpoint", "last_step", value(STEP, struct.pack("<Q", 4)))
    write("checkpoint", "many_steps", value(OPTIMIZER_STEP, struct.pack("<Q", 1 << 40)))
    write("checkpoint", "negative_step", value(STEP, struct.pack("<q", -1), 11))
    write("checkpoint", "other_base", value(BASE, struct.pack("<Q", 4) + b"none", 8))
    write("checkpoint", "metrics", array(METRICS, 10, struct.pack("<10d", *range(10))))
    write("checkpoint", "cut_metrics", array(METRICS, 4, struct.pack("<4d", *range(4))))
    write("checkpoint", "infinite_metrics", array(METRICS, 5, struct.pack("<5d", *[float("inf")] * 5)))
    write("checkpoint", "many_metrics", array(METRICS, 1 << 61, bytes(40)))
    write("checkpoint", "other_shape", NUMBER(3) + NUMBER(0) + NUMBER(4) + NUMBER(0) + b"\1")
    write("checkpoint", "other_name", NUMBER(4) + NUMBER(METRICS) + NUMBER(9) + NUMBER(0) + b"x")
    write("checkpoint", "other_count", NUMBER(5) + NUMBER(16) + NUMBER(0) + b"\x0d")
    write("checkpoint", "twice", NUMBER(6) + NUMBER(STEP))
    write("checkpoint", "other_number", number(5, 0.5) + number(9, -0.5))
    write("checkpoint", "not_finite", number(3, float("nan")))
    write("checkpoint", "cut", NUMBER(8) + b"\1" + NUMBER(9))


# Of an adapter: what it is an adapter of, its scale, and the first of its tensors behind those of the head.
ADAPTED, ALPHA, FIRST = 6, 5, 39


def adapters() -> None:
    """Add lists of changes to an adapter."""

    def value(key: int, content: bytes, kind: int) -> bytes:
        return NUMBER(0) + NUMBER(key) + b"\0" + bytes([kind]) + NUMBER(len(content)) + content

    write("adapter", "same", NUMBER(8) + b"\1" + NUMBER(32_767))
    write("adapter", "other_base", value(ADAPTED, struct.pack("<Q", 4) + b"none", 8))
    write("adapter", "no_scale", value(ALPHA, struct.pack("<f", 0), 6))
    write("adapter", "infinite_scale", value(ALPHA, struct.pack("<f", float("inf")), 6))
    write("adapter", "large_scale", value(ALPHA, struct.pack("<f", 3e38), 6))
    for place in range(3):
        write(
            "adapter",
            f"other_shape_{place}",
            NUMBER(3) + NUMBER(FIRST + place) + NUMBER(4) + NUMBER(0) + b"\1",
        )
        number = NUMBER(7) + NUMBER(100 * place) + NUMBER(place) + struct.pack("<f", float("nan"))
        write("adapter", f"not_finite_{place}", number)
    write("adapter", "other_name", NUMBER(4) + NUMBER(ADAPTED) + NUMBER(9) + NUMBER(0) + b"x")
    write("adapter", "twice", NUMBER(6) + NUMBER(ALPHA))
    write("adapter", "cut", NUMBER(8) + b"\1" + NUMBER(9))


if __name__ == "__main__":
    models()
    images()
    texts()
    queries()
    exports()
    datasets()
    checkpoints()
    adapters()
