"""Files that are written: refused before the work, and complete or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from arms.errors import InvalidArgumentError


def check_output(path: Path) -> None:
    """Refuse a file that could not be written hours later.

    Raises
    ------
    FileNotFoundError
        If its folder does not exist.
    InvalidArgumentError
        If it is a folder.
    """
    folder = path.absolute().parent
    if not folder.is_dir():
        raise FileNotFoundError(2, "no such folder to write to", str(folder))
    if path.is_dir():
        raise InvalidArgumentError(f"{path}: is a folder: name a file to write")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Name a file beside another, which takes the other's place if the block succeeds."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
