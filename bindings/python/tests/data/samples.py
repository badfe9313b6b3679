"""Small data sets that the tests write."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image

from arms.data import Record, Row

MODELS = ("small", "large", "paid")


def make_image(path: Path, colour: int = 0) -> Path:
    """Write a small PNG that differs by colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), (colour % 256, colour // 256 % 256, 7)).save(path)
    return path


def record(query: int = 0, model: str = "small", **fields: Any) -> Record:
    """A record; two queries of one group follow each other."""
    values: dict[str, Any] = {
        "id": f"q{query}",
        "group": f"g{query // 2}",
        "image": f"images/{query}.png",
        "question": f"What is shown in chart {query}?",
        "model": model,
        "output": f"{query}",
        "answer": f"{query}",
        "label": True,
        "task": ("chart", "map", "table")[query // 2 % 3],
        "language": "en",
        "benchmark": ("alpha", "beta")[query // 2 % 2],
        "cost": 0.001,
        "latency": 120.0,
    }
    return Record(**(values | fields))


def records(queries: int = 12) -> list[Record]:
    """A full matrix: ``small`` is right on even queries, ``large`` on thirds, ``paid`` mostly."""
    right = {
        "small": lambda query: query % 2 == 0,
        "large": lambda query: query % 3 == 0,
        "paid": lambda query: query % 6 != 1,
    }
    return [
        record(
            query,
            model,
            label=right[model](query),
            output=f"{query if right[model](query) else 'x'}",
        )
        for query in range(queries)
        for model in MODELS
    ]


def with_images(folder: Path, queries: int = 12) -> None:
    """Write the images that `records` name."""
    for query in range(queries):
        make_image(folder / "images" / f"{query}.png", query)


def plain(rows: Iterable[Record | Row]) -> list[dict[str, Any]]:
    """The fields of records or rows, to compare."""
    return [{name: getattr(row, name) for name in Record.model_fields} for row in rows]
