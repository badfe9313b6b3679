"""Parquet files: the columns of a data set, and decoding them row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from pydantic import ValidationError

from arms.data.errors import BadRow, BadRowKind, DataError
from arms.data.files import import_pyarrow
from arms.data.jsonl import explain
from arms.data.schema import FIELDS, QueryRow, schema_of

if TYPE_CHECKING:
    import pyarrow

BATCH_ROWS = 1 << 13
REQUIRED = frozenset(("id", "question", "model"))

R = TypeVar("R", bound=QueryRow)


def parquet_schema() -> pyarrow.Schema:
    """Return the columns that a data set is written with.

    `image` and `answer` are lists, since a row may have several of them.
    """
    pa = import_pyarrow("writing Parquet")
    text, number = pa.string(), pa.float64()
    kinds = {
        "image": pa.list_(text),
        "answer": pa.list_(text),
        "label": pa.bool_(),
        "answered": pa.bool_(),
        "judge": number,
        "cost": number,
        "latency": number,
    }
    return pa.schema(
        [pa.field(name, kinds.get(name, text), nullable=name not in REQUIRED) for name in FIELDS]
    )


def decode_file(
    path: Path, row: type[R], bad: Callable[[BadRow], None], unknown: Callable[[str, int], None]
) -> Iterator[tuple[list[R], list[int] | range]]:
    """Decode a Parquet file batch by batch.

    A column may be of any type that holds the values of its field: texts may be dictionary-encoded
    and numbers may be integers; `image` and `answer` may be texts or lists of texts.

    Parameters are those of `arms.data.jsonl.decode_file`.

    Yields
    ------
    tuple
        The rows of a batch and their numbers.
    """
    pa = import_pyarrow(f"reading {path.name}")
    import pyarrow.parquet as pq

    first = 1
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            for name in names:
                if name not in row.__struct_fields__:
                    unknown(name, 1)
            known = [name for name in names if name in row.__struct_fields__]
            for batch in file.iter_batches(BATCH_ROWS, columns=known):
                yield _decode(path, batch, row, bad, first)
                first += batch.num_rows
    except pa.ArrowException as error:
        raise DataError(f"{path}: not a Parquet file that can be read: {error}") from error


def _decode(
    path: Path, batch: pyarrow.RecordBatch, row: type[R], bad: Callable[[BadRow], None], first: int
) -> tuple[list[R], list[int] | range]:
    # Columns without a value are left to the defaults.
    columns = {
        name: _values(batch.column(name))
        for name in batch.schema.names
        if name in REQUIRED or batch.column(name).null_count < batch.num_rows
    }
    names, cells = tuple(columns), zip(*columns.values(), strict=True)
    records = [dict(zip(names, values, strict=True)) for values in cells]
    if not columns:  # Not one column is known: each row lacks what it must have.
        records = [{} for _ in range(batch.num_rows)]
    try:
        rows = msgspec.convert(records, list[row])  # type: ignore[valid-type]
        return rows, range(first, first + len(rows))
    except (msgspec.ValidationError, TypeError):
        return _decode_rows(path, records, row, bad, first)


def _decode_rows(
    path: Path,
    records: list[dict[str, Any]],
    row: type[R],
    bad: Callable[[BadRow], None],
    first: int,
) -> tuple[list[R], list[int] | range]:
    rows, numbers = [], []
    for number, record in enumerate(records, first):
        try:
            rows.append(msgspec.convert(record, row))
            numbers.append(number)
        except (msgspec.ValidationError, TypeError) as error:
            bad(_explain(path, number, record, row, error))
    return rows, numbers


def _explain(
    path: Path, number: int, record: dict[str, Any], row: type[QueryRow], error: Exception
) -> BadRow:
    for name, value in record.items():
        if isinstance(value, _BrokenText):
            return BadRow(path, number, BadRowKind.UTF8, f"{name} is not UTF-8")
    try:
        schema_of(row).model_validate(record)
    except ValidationError as invalid:
        return explain(path, number, invalid)
    return BadRow(path, number, BadRowKind.TYPE, str(error))


class _BrokenText(bytes):
    """Stands for a text that is not UTF-8, which no field takes."""


def _values(column: pyarrow.Array) -> list[Any]:
    """Return a column's values; lists of one become the one, as rows are written."""
    import pyarrow.types as kinds

    if column.null_count == len(column):
        return [None] * len(column)
    if kinds.is_dictionary(column.type):
        column = column.dictionary_decode()
    if kinds.is_list(column.type) or kinds.is_large_list(column.type):
        return _unlisted(column)
    if kinds.is_string(column.type) or kinds.is_large_string(column.type):
        return _texts(column)
    return list(column.to_pylist())


def _texts(column: pyarrow.Array) -> list[Any]:
    from pyarrow import ArrowException

    # By way of numpy in a third of the time of `to_pylist`, which makes a scalar of each first.
    try:
        return list(column.to_numpy(zero_copy_only=False).tolist())
    except (ArrowException, UnicodeDecodeError):
        return [_text(value) for value in column]


def _unlisted(column: pyarrow.Array) -> list[Any]:
    items = _values(column.flatten())
    lengths = column.value_lengths().fill_null(0).to_pylist()
    values: list[Any] = []
    start = 0
    for length in lengths:
        if length == 1:
            values.append(items[start])
        else:
            values.append(items[start : start + length] or None)
        start += length
    return values


def _text(value: pyarrow.Scalar) -> Any:
    try:
        return value.as_py()
    except UnicodeDecodeError:
        return _BrokenText()
