"""ARMS through its Python package: whole routes, and a score for batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import arms


class ArmsEngine:
    """A router of an int8 model file."""

    def __init__(self, model: Path, threads: int) -> None:
        self.router = arms.Router(model, threads=threads)

    def route(self, pixels: NDArray[np.float32], ids: NDArray[np.int64]) -> None:
        """Decide for one query, or score a batch."""
        if len(pixels) == 1:
            self.router.route(pixels[0], ids[0])
        else:
            self.router.score(list(zip(pixels, ids, strict=True)))

    def embed(self, jpeg: bytes, *, draft: bool) -> None:
        """Encode an image file."""
        self.router.encode_image(jpeg, exact=not draft)

    def tokenize(self, questions: Sequence[str]) -> None:
        """Tokenise questions, one call each."""
        for question in questions:
            self.router.tokenize(question)

    def version(self) -> str:
        """Name the release and its kernels."""
        return f"ARMS {arms.library_version()} ({arms.kernel_isa()})"
