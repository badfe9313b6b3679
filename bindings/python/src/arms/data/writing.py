"""Writing data sets: JSON Lines or Parquet, complete or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from arms._output import replacing
from arms.data.errors import DataError
from arms.data.files import COMPRESSIONS, Format, format_of, open_binary
from arms.data.parquet import BATCH_ROWS, parquet_schema
from arms.data.schema import FIELDS, Record, Row, answers_of, as_row, images_of


class RecordWriter:
    """Writes a data set to one file, which appears when the writer is closed without an error.

    Parameters
    ----------
    path
        The file; its name says the format and the compression, as for the readers. Parquet is
        compressed inside, with zstd.

    Examples
    --------
    >>> with RecordWriter("m2.jsonl.gz") as writer:  # doctest: +SKIP
    ...     writer.write(record)

    Notes
    -----
    Not to be shared between threads. Every field is written, also when it is null, so that each row
    of a file has the same shape.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        kind = format_of(self._path)
        if kind is None:
            raise DataError(
                f"{path}: name the output .jsonl (with {', '.join(COMPRESSIONS)} to compress it) "
                "or .parquet"
            )
        with ExitStack() as stack:
            self._partial = stack.enter_context(replacing(self._path))
            self._sink: _LineSink | _ParquetSink
            self._sink = (
                _ParquetSink(self._partial)
                if kind is Format.PARQUET
                else _LineSink(self._partial, self._path.suffix)
            )
            self._replacing = stack.pop_all()
        self.count = 0

    @property
    def path(self) -> Path:
        """The file that is written."""
        return self._path

    def write(self, *records: Record | Row) -> None:
        """Write records."""
        self.write_rows([as_row(record) for record in records])

    def write_rows(self, rows: list[Row]) -> None:
        """Write many rows at once."""
        self._sink.write(rows)
        self.count += len(rows)

    def close(self) -> None:
        """Finish the file and put it in its place."""
        with self._replacing:
            self._sink.close()

    def abort(self) -> None:
        """Leave the file's place as it was."""
        # The replacement is not left by its end, which would put the file there.
        try:
            self._sink.close()
        finally:
            self._partial.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()


def write_records(path: str | Path, records: Iterable[Record | Row]) -> int:
    """Write a data set and return how many rows it has.

    Parameters
    ----------
    path
        The file, as for `RecordWriter`.
    records
        The rows, in order.
    """
    with RecordWriter(path) as writer:
        for record in records:
            writer.write(record)
    return writer.count


def rebase_images(rows: Iterable[Row], source: Path, target: Path) -> None:
    """Make the images of rows relative to another folder.

    Parameters
    ----------
    rows
        Changed in place. Absolute paths and URLs stay as they are.
    source, target
        The folder that they are relative to, and the one that they shall be relative to.
    """
    # What is remembered of relative folders would be wrong after a change of the working folder.
    source, target = source.resolve(), target.resolve()
    if source == target:
        return
    for row in rows:
        if isinstance(row.image, str):
            row.image = _rebased(row.image, source, target)
        elif row.image is not None:
            row.image = [_rebased(image, source, target) for image in row.image]


# Each model has a row with the same image.
@lru_cache(1 << 16)
def _rebased(image: str, source: Path, target: Path) -> str:
    if "://" in image or Path(image).is_absolute():
        return image
    return os.path.relpath(source / image, target)


class _LineSink:
    def __init__(self, path: Path, suffix: str) -> None:
        self._file = open_binary(path, "wb", suffix)
        self._encode = msgspec.json.Encoder().encode_lines

    def write(self, rows: list[Row]) -> None:
        self._file.write(self._encode(rows))

    def close(self) -> None:
        self._file.close()


class _ParquetSink:
    def __init__(self, path: Path) -> None:
        self._schema = parquet_schema()
        import pyarrow.parquet as pq

        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._pending: list[Row] = []

    def write(self, rows: list[Row]) -> None:
        self._pending += rows
        while len(self._pending) >= 8 * BATCH_ROWS:
            self._flush(8 * BATCH_ROWS)

    def close(self) -> None:
        if self._pending:
            self._flush(len(self._pending))
        self._writer.close()

    def _flush(self, count: int) -> None:
        import pyarrow as pa

        rows, self._pending = self._pending[:count], self._pending[count:]
        arrays = [pa.array(_column(rows, field.name), type=field.type) for field in self._schema]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))


def _column(rows: list[Row], name: str) -> list[Any]:
    if name == "image":
        return [images_of(row) or None for row in rows]
    if name == "answer":
        return [answers_of(row) or None for row in rows]
    assert name in FIELDS
    return [getattr(row, name) for row in rows]
