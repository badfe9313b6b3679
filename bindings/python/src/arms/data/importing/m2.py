"""The paper's M2 layout: the fields of Fig. 2, however they are spelt.

A sample of M2 has a question, an image, the requested VLM, its output, the language, the task, the
true answer and the label; samples of paid models have cost and latency too (section 3.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from arms.data.errors import BadRow, DataError
from arms.data.importing.columns import read_mapped, require_met
from arms.data.importing.options import ImportOptions
from arms.data.importing.tables import read_table
from arms.data.schema import FIELDS, Row

_SPELLINGS: Final[dict[str, tuple[str, ...]]] = {
    "id": ("id", "queryid", "sampleid", "index"),
    "group": ("group", "groupid"),
    "image": ("image", "imagepath", "images", "img"),
    "question": ("question", "query", "prompt"),
    "model": ("model", "vlm", "modelname", "vlmname"),
    "output": ("output", "modeloutput", "vlmoutput", "response", "prediction"),
    "answer": ("answer", "groundtruth", "groundtruthanswer", "gt", "correctanswer"),
    "label": ("label", "correct", "iscorrect", "exactmatch", "em"),
    "task": ("task", "category", "tasktype"),
    "language": ("language", "lang"),
    "benchmark": ("benchmark", "dataset", "source"),
    "cost": ("cost", "price"),
    "latency": ("latency", "time"),
}


def read(paths: list[Path], options: ImportOptions, bad: Callable[[BadRow], None]) -> Iterator[Row]:
    """Read tables with the fields of Fig. 2, in any case, with spaces or underscores or without."""
    met: set[str] = set()
    for path in paths:
        names = {name: None for _, cells in _some(path) for name in cells}
        columns = _columns(list(names)) | dict(options.columns)
        for field in ("question", "model"):
            if field not in columns and field not in options.constants:
                there = ", ".join(names) or "none"
                raise DataError(f"{path}: no column for the {field}; there are: {there}")
        yield from read_mapped(path, columns, options, bad, met)
    require_met(paths, options, met)


def _some(path: Path) -> Iterator[tuple[int, dict[str, object]]]:
    """Read the first rows, of which each may lack a few cells."""
    rows = read_table(path, lambda _: None)
    for row, _ in zip(rows, range(100), strict=False):
        yield row


def _columns(names: list[str]) -> dict[str, str]:
    plain = {"".join(filter(str.isalnum, name)).casefold(): name for name in reversed(names)}
    found: dict[str, str] = {}
    for field in FIELDS:
        for spelling in _SPELLINGS.get(field, (field,)):
            if spelling in plain:
                found[field] = plain[spelling]
                break
    return found
