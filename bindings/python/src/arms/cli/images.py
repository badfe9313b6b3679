"""Images as the commands take them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from arms.images import Image

NONE = "none"
"""Stands for "no image" on the command line."""

STDIN = "-"
"""Stands for the bytes of standard input."""

UNSEEN = (
    "This model has no image encoder: it decided by the question alone, and did not look at the "
    "image."
)
"""What to say where images were given to a router that ignores them."""


def read_images(arguments: Sequence[str]) -> list[Image]:
    """Return the images that arguments name: paths, ``none``, or ``-`` for standard input."""
    return [_read(argument) for argument in arguments if argument != NONE]


def _read(argument: str) -> Image:
    return sys.stdin.buffer.read() if argument == STDIN else Path(argument)
