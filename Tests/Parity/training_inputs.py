"""Queries and candidates to compare training on, made without PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from arms import Candidate, DataSet, Router


class Batch(NamedTuple):
    """Queries, each with one image, and an outcome of every candidate."""

    questions: list[str]
    images: NDArray[np.uint8]
    """``[queries, 224, 224, 3]``."""
    labels: NDArray[np.float32]
    """``[queries, candidates]``."""


def profiles(count: int) -> list[str]:
    """Return profiles of different lengths."""
    return [f"v{one} " + "a b c d e f " * (1 + one % 3) for one in range(count)]


def add_candidates(router: Router, texts: Sequence[str]) -> list[str]:
    """Add a candidate for each profile, and return the names."""
    names = [f"candidate {one}" for one in range(len(texts))]
    router.candidates.add(
        [Candidate(name=name, profile=text) for name, text in zip(names, texts, strict=True)]
    )
    return names


def make_batch(count: int, candidates: int, lengths: Sequence[int], seed: int = 5) -> Batch:
    """Return random queries; question ``n`` has ``lengths[n % len(lengths)]`` tokens with its ends."""
    generator = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz0123456789"))
    questions = [" ".join(generator.choice(letters, lengths[one % len(lengths)] - 2)) for one in range(count)]
    rows = np.linspace(0, 255, 224)
    base = rows[None, :, None, None] * generator.random((count, 1, 1, 3)) * 0.5
    base = base + rows[None, None, :, None] * generator.random((count, 1, 1, 3)) * 0.3
    images = (base + generator.random((count, 224, 224, 3)) * 50).astype(np.uint8)
    labels = generator.integers(0, 2, (count, candidates)).astype(np.float32)
    return Batch(questions, images, labels)


def data_set(batch: Batch, names: list[str]) -> DataSet:
    """Return the batch as a data set."""
    return DataSet(
        (image, question, dict(zip(names, labels.tolist(), strict=True)))
        for image, question, labels in zip(batch.images, batch.questions, batch.labels, strict=True)
    )
