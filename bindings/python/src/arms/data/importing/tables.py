"""Tables of any kind as dictionaries, row by row: CSV, TSV, Excel, Parquet, JSON, JSON Lines."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

from arms.data.errors import BadRow, BadRowKind, DataError
from arms.data.files import COMPRESSIONS, DAMAGED, import_pyarrow, open_binary, raise_damaged
from arms.data.parquet import BATCH_ROWS

Table: TypeAlias = Iterator[tuple[int, dict[str, Any]]]

SUFFIXES: Final = (".csv", ".tsv", ".xlsx", ".parquet", ".json", ".jsonl", ".ndjson")
# Tables with images in base64 have long cells.
_CELL_BYTES: Final = 1 << 27


def read_table(path: Path, bad: Callable[[BadRow], None]) -> Table:
    """Read a table.

    Parameters
    ----------
    path
        A file whose name ends in one of `SUFFIXES`; text files may be compressed.
    bad
        Told each row that cannot be read.

    Yields
    ------
    tuple
        The number of a row, which is its line where it has one, and its cells by column. Empty
        cells are left out.

    Raises
    ------
    DataError
        If the file is no such table.
    """
    try:
        yield from _read(path, bad)
    except DAMAGED as error:
        raise_damaged(path, error)


def _read(path: Path, bad: Callable[[BadRow], None]) -> Table:
    suffixes = path.suffixes
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    match suffixes[-1] if suffixes else "":
        case ".csv":
            yield from _separated(path, ",", bad)
        case ".tsv":
            yield from _separated(path, "\t", bad)
        case ".xlsx":
            yield from _excel(path)
        case ".parquet":
            yield from _parquet(path)
        case ".json":
            yield from _json(path)
        case ".jsonl" | ".ndjson":
            yield from _lines(path, bad)
        case _:
            raise DataError(f"{path}: the name of a table ends in {', '.join(SUFFIXES)}")


def _separated(path: Path, delimiter: str, bad: Callable[[BadRow], None]) -> Table:
    csv.field_size_limit(_CELL_BYTES)
    with open_binary(path) as file:
        texts = (line.decode("utf-8", "surrogateescape") for line in file)
        rows = csv.reader(texts, delimiter=delimiter)
        try:
            header = _header(path, next(rows, []))
            for cells in rows:
                number = rows.line_num
                if any("\udc80" <= letter <= "\udcff" for cell in cells for letter in cell):
                    bad(BadRow(path, number, BadRowKind.UTF8, "a cell is not UTF-8"))
                elif len(cells) > len(header):
                    message = f"has {len(cells)} cells, but there are {len(header)} columns"
                    bad(BadRow(path, number, BadRowKind.TYPE, message))
                elif cells:
                    named = zip(header, cells, strict=False)
                    yield number, {name: cell for name, cell in named if name and cell != ""}
        except csv.Error as error:
            raise DataError(f"{path}:{rows.line_num}: {error}") from error


def _header(path: Path, cells: list[str]) -> list[str]:
    """Return the names of columns; those without one, such as pandas' index, are left out later."""
    header = [name.removeprefix("\ufeff").strip() for name in cells]
    if any("\udc80" <= letter <= "\udcff" for name in header for letter in name):
        is_utf16 = header[0].startswith(("\udcff\udcfe", "\udcfe\udcff"))
        encoding = "is UTF-16" if is_utf16 else "begins with a line that is not UTF-8"
        raise DataError(f"{path}: {encoding}: save the table as UTF-8")
    for name, count in Counter(header).items():
        if name and count > 1:
            raise DataError(f"{path}: {count} columns are named {name!r}: rename all but one")
    return header


def _excel(path: Path) -> Table:
    try:
        from openpyxl import load_workbook
        from openpyxl.utils.exceptions import InvalidFileException
    except ImportError as error:
        raise DataError(f"{path}: Excel needs openpyxl: pip install 'arms[data]'") from error
    from zipfile import BadZipFile

    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except (BadZipFile, InvalidFileException, KeyError, ValueError) as error:
        raise DataError(f"{path}: not an Excel file: {error}") from error
    rows = book.worksheets[0].iter_rows(values_only=True)
    try:
        names = next(rows, ())
        header = _header(path, [str(name) if name is not None else "" for name in names])
        for number, cells in enumerate(rows, 2):
            named = zip(header, cells, strict=False)
            values = {name: cell for name, cell in named if name and cell not in (None, "")}
            if values:
                yield number, values
    finally:
        # Else the file stays open until the last reference to the rows is gone.
        if isinstance(rows, Generator):
            rows.close()
        book.close()


def _parquet(path: Path) -> Table:
    pa = import_pyarrow(f"reading {path.name}")
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            batches = file.iter_batches(BATCH_ROWS)
            rows = (row for batch in batches for row in batch.to_pylist())
            for number, row in enumerate(rows, 1):
                yield number, _filled(row)
    except pa.ArrowException as error:
        raise DataError(f"{path}: not a Parquet file that can be read: {error}") from error


def _json(path: Path) -> Table:
    """Read a list of objects, objects by key, or lists by column."""
    with open_binary(path) as file:
        try:
            content = json.load(file)
        except (UnicodeDecodeError, RecursionError, json.JSONDecodeError) as error:
            raise DataError(f"{path}: not JSON: {error}") from error
    if isinstance(content, dict) and content:
        values = list(content.values())
        if all(isinstance(value, dict) for value in values):
            content = [{"index": key, **value} for key, value in content.items()]
        elif all(isinstance(value, list) for value in values) and len(set(map(len, values))) == 1:
            content = [dict(zip(content, row, strict=True)) for row in zip(*values, strict=True)]
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise DataError(f"{path}: expected a list of objects, objects by key or lists by column")
    for number, row in enumerate(content, 1):
        yield number, _filled(row)


def _lines(path: Path, bad: Callable[[BadRow], None]) -> Table:
    with open_binary(path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except UnicodeDecodeError:
                bad(BadRow(path, number, BadRowKind.UTF8, "the line is not UTF-8"))
                continue
            except (RecursionError, json.JSONDecodeError) as error:
                bad(BadRow(path, number, BadRowKind.JSON, f"not JSON: {error}"))
                continue
            if isinstance(row, dict):
                yield number, _filled(row)
            else:
                bad(BadRow(path, number, BadRowKind.JSON, "a row must be a JSON object"))


def _filled(row: dict[str, Any]) -> dict[str, Any]:
    return {name: cell for name, cell in row.items() if cell not in (None, "")}
