"""Any table by a map of its columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from arms.data.errors import BadRow, DataError
from arms.data.importing.cells import as_row, id_of, locate
from arms.data.importing.options import ImportOptions
from arms.data.importing.tables import read_table
from arms.data.importing.verdicts import verdict_fields
from arms.data.schema import FIELDS, Row


def read(paths: list[Path], options: ImportOptions, bad: Callable[[BadRow], None]) -> Iterator[Row]:
    """Read tables whose columns are named like the fields, or as `options.columns` says."""
    met: set[str] = set()
    for path in paths:
        yield from read_mapped(path, options.columns, options, bad, met)
    require_met(paths, options, met)


def read_mapped(
    path: Path,
    columns: Mapping[str, str],
    options: ImportOptions,
    bad: Callable[[BadRow], None],
    met: set[str],
) -> Iterator[Row]:
    """Read a table.

    Parameters
    ----------
    path
        The table.
    columns
        Column of each field; fields that it lacks are columns of their own name.
    options
        Constants, and where images are.
    bad
        Told each row that cannot be used.
    met
        Receives the names of the columns in which a cell was found.
    """
    checked = False
    for number, cells in read_table(path, bad):
        if not checked:
            _require(path, columns, cells)
            checked = True
        values: dict[str, Any] = dict(options.constants)
        for field in FIELDS:
            column = columns.get(field, field)
            cell = cells.get(column)
            if cell is not None:
                values[field] = cell
                met.add(column)
        if "id" not in values and "question" in values:
            values["id"] = id_of(values)
        if "label" in values:
            values["label"] = _label(values["label"], options, f"{path}:{number}")
        images = values.get("image")
        if isinstance(images, str):
            values["image"] = locate(images, options.images, path.parent)
        elif isinstance(images, list):
            values["image"] = [
                locate(image, options.images, path.parent) if isinstance(image, str) else image
                for image in images
            ]
        row = as_row(values, path, number, bad)
        if row is not None:
            yield row


def _label(cell: Any, options: ImportOptions, place: str) -> Any:
    """Return a label that is a score as a truth value, if a threshold was given."""
    if options.threshold is None:
        return cell
    fields = verdict_fields(cell, options, place)
    return cell if fields is None else fields["label"]


def _require(path: Path, columns: Mapping[str, str], cells: Mapping[str, Any]) -> None:
    """Refuse a map of what every row needs that names no column of the first row at all."""
    is_needed = "question" in columns or "model" in columns
    if is_needed and not any(column in cells for column in columns.values()):
        raise DataError(
            f"{path}: none of the columns {', '.join(columns.values())}; "
            f"there are {', '.join(map(str, cells))}"
        )


def require_met(paths: list[Path], options: ImportOptions, met: set[str]) -> None:
    """Refuse a column that was asked for and has no cell in any row, once all were read."""
    for field, column in options.columns.items():
        if column not in met:
            raise DataError(
                f"{', '.join(map(str, paths))}: no row has the column {column!r}, "
                f"which was given for the {field}"
            )
