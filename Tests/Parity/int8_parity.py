"""Compares int8 embeddings with float ones, both of the engine.

On real text weights the cosine of the pooled embeddings must be at least .999 in the mean and .998
at worst. On a random CLIP B/32 in which six weights of every LayerNorm were made 60 times larger,
as outlier channels are in trained towers, the cosine of the image embeddings must be at least .99::

    PYTHONPATH=bindings/python/src python Tests/Parity/int8_parity.py --text DIR --questions FILE

``--questions`` is a text file, one question a line, or JSON lines (also gzipped) with a field
``question``. Prints one line a comparison and exits with 1 if any is out of bounds.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from embeddings_parity import pixels, save_image, save_text
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from arms import Router
from arms.convert import WeightType, convert_checkpoints

OUTLIERS = 6
OUTLIER_FACTOR = 60


def read_questions(path: Path, count: int) -> list[str]:
    """Read the first `count` different questions of a file."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if path.suffix != ".txt":
        lines = [json.loads(line)["question"] for line in lines]
    return list(dict.fromkeys(lines))[:count]


def plant_outliers(directory: Path) -> None:
    """Make six weights of every LayerNorm 60 times larger, the same channels throughout."""
    path = directory / "model.safetensors"
    tensors = load_file(path)
    for name, tensor in tensors.items():
        if name.endswith(".weight") and tensor.ndim == 1:
            tensor[torch.randperm(tensor.numel(), generator=torch.Generator().manual_seed(4))[:OUTLIERS]] *= (
                OUTLIER_FACTOR
            )
    save_file(tensors, path, metadata={"format": "pt"})


def cosines(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the cosine of each pair of rows."""
    products = (first * second).sum(axis=1)
    result: NDArray[np.float32] = products / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
    return result


def report(what: str, values: NDArray[np.float32], mean: float, worst: float) -> bool:
    """Print a comparison and say whether it holds."""
    holds = bool(values.mean() >= mean and values.min() >= worst)
    print(
        f"{what}: cosine {values.mean():.5f} in the mean (at least {mean}), "
        f"{values.min():.5f} at worst "
        f"(at least {worst}), {len(values)} embeddings: {'ok' if holds else 'FAILED'}",
        flush=True,
    )
    return holds


def embed(text: Path, image: Path, model: Path, questions: list[str]) -> tuple[NDArray[np.float32], ...]:
    """Return q and g in float and in int8: q float, q int8, g float, g int8."""
    texts, images = [], []
    for weight_type in (WeightType.F32, WeightType.INT8):
        convert_checkpoints(text, image, model, weight_type=weight_type)
        router = Router(model)
        texts.append(np.stack([np.asarray(router.encode_question(one).embedding) for one in questions]))
        images.append(np.stack([np.asarray(router.encode_image(one).embedding) for one in pixels(224, 24)]))
        # The file is replaced next, by rename: the router keeps what it has mapped.
        del router
    return texts[0], texts[1], images[0], images[1]


def main() -> int:
    """Run all comparisons."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--text", type=Path, required=True, help="a trained text checkpoint")
    parser.add_argument("--questions", type=Path, required=True, help="real questions")
    parser.add_argument("--count", type=int, default=1000, help="questions to compare")
    arguments = parser.parse_args()
    questions = read_questions(arguments.questions, arguments.count)
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        save_image(root / "clip", 32)
        plain = embed(arguments.text, root / "clip", root / "model.gguf", questions)
        plant_outliers(root / "clip")
        save_text(root / "distilbert", "distilbert")
        planted = embed(root / "distilbert", root / "clip", root / "model.gguf", ["x"])
    holds = report(f"{arguments.text.name}, text", cosines(plain[0], plain[1]), 0.999, 0.998)
    holds &= report("CLIP B/32, image", cosines(plain[2], plain[3]), 0.999, 0.998)
    holds &= report("CLIP B/32 with outliers, image", cosines(planted[2], planted[3]), 0.99, 0.99)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
