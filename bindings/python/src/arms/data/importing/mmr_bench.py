"""MMR-Bench's CSV: one row a query, with the columns ``M_correct`` and ``M_cost`` of each model M.

Other columns are ``question``, ``answer``, and ``img_path`` or ``dataset_idx``: ``OCRBench_12`` is
the image ``OCRBench/12.jpg`` beside the file. The format leaves the unit of the cost open; it is
taken as US dollars.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from arms.data.errors import BadRow, BadRowKind, DataError
from arms.data.images import is_there
from arms.data.importing.cells import as_row, locate
from arms.data.importing.options import ImportOptions
from arms.data.importing.tables import read_table
from arms.data.importing.verdicts import verdict_fields
from arms.data.schema import Row

_CORRECT: Final = ("_is_correct", "_correct")
_COST: Final = "_cost"
_IMAGE_SUFFIXES: Final = (".jpg", ".png", ".jpeg", ".webp")
# Where the folder is not named like the data set.
_FOLDERS: Final = {"SEEDBench2_Plus": "SEEDBenchv2Plus"}


def read(paths: list[Path], options: ImportOptions, bad: Callable[[BadRow], None]) -> Iterator[Row]:
    """Read MMR-Bench's CSV files."""
    for path in paths:
        files = sorted(path.glob("[!.]*.csv")) if path.is_dir() else [path]
        if not files:
            raise DataError(f"{path}: no .csv file lies in this folder")
        for file in files:
            yield from _read(file, options, bad)


def _read(path: Path, options: ImportOptions, bad: Callable[[BadRow], None]) -> Iterator[Row]:
    met = False
    for number, cells in read_table(path, bad):
        query = _query(path, number, cells, options)
        for column, score in cells.items():
            model = _model(column)
            if model is None:
                continue
            met = True
            fields = verdict_fields(score, options, f"{path}:{number}")
            if fields is None:
                message = f"{column} must be a number, true or false, not {score!r}"
                bad(BadRow(path, number, BadRowKind.LABEL, message))
                continue
            values = query | {"model": model} | fields
            if (cost := cells.get(model + _COST)) is not None:
                values["cost"] = cost
            row = as_row(values, path, number, bad)
            if row is not None:
                yield row
    if not met:
        raise DataError(f"{path}: no column ends in _correct; is this MMR-Bench's CSV?")


def _model(column: str) -> str | None:
    for ending in _CORRECT:
        if column.endswith(ending) and len(column) > len(ending):
            return column.removesuffix(ending)
    return None


def _query(
    path: Path, number: int, cells: dict[str, Any], options: ImportOptions
) -> dict[str, Any]:
    name = str(cells.get("dataset_idx") or f"{path.stem}_{number - 1}")
    dataset, _, place = name.rpartition("_")
    values: dict[str, Any] = {"id": name, "benchmark": dataset or path.stem, **options.constants}
    for field in ("question", "answer"):
        if field in cells:
            values[field] = cells[field]
    if "img_path" in cells:
        values["image"] = locate(str(cells["img_path"]), options.images, path.parent)
    elif "dataset_idx" in cells:
        values["image"] = _image(options.images or path.parent, dataset, place)
    return values


def _image(root: Path, dataset: str, place: str) -> str:
    folder = root / _FOLDERS.get(dataset, dataset)
    files = [folder / f"{place}{suffix}" for suffix in _IMAGE_SUFFIXES]
    return str(next((file for file in files if is_there(file)), files[0]))
