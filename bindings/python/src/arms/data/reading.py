"""Streaming readers: the rows of data files in batches, never more than a few megabytes at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from arms.data import jsonl, parquet
from arms.data.errors import BadRow, BadRowError, BadRowKind, BadRows
from arms.data.files import Format, Source, find_files, format_of
from arms.data.images import is_there
from arms.data.schema import QueryRow, Record, Row, as_record, images_of

R = TypeVar("R", bound=QueryRow)


@dataclass(frozen=True, slots=True)
class Batch(Generic[R]):
    """Rows that lie one after the other in a file.

    Attributes
    ----------
    path
        The file.
    rows
        The rows that can be used.
    numbers
        The line, or row of a Parquet file, of each; the first is 1.
    """

    path: Path
    rows: list[R]
    numbers: list[int] | range

    @property
    def folder(self) -> Path:
        """The folder that the images of these rows are relative to."""
        return self.path.parent

    def place(self, index: int) -> str:
        """Say where a row lies: ``m2.jsonl:17``."""
        return f"{self.path}:{self.numbers[index]}"


@dataclass(slots=True)
class ReadReport:
    """What a reader met, filled while it reads.

    Attributes
    ----------
    rows
        Rows that can be used.
    bad
        Rows that cannot.
    unknown_fields
        Fields that are not in the schema and were left out, with the place of the first.
    """

    rows: int = 0
    bad: BadRows = field(default_factory=BadRows)
    unknown_fields: dict[str, str] = field(default_factory=dict)


def read_batches(
    source: Source,
    *,
    strict: bool = True,
    models: Collection[str] | None = None,
    images: bool = False,
    report: ReadReport | None = None,
) -> Iterator[Batch[Row]]:
    """Read a data set in batches, in constant memory.

    Parameters
    ----------
    source
        Data files, by path, folder or glob pattern: ``.jsonl`` or ``.ndjson``, plain or with
        ``.gz``, ``.bz2``, ``.xz`` or ``.zst``; ``.parquet``.
    strict
        Whether to stop at the first row that cannot be used. Otherwise such rows are left out and
        counted in `report`.
    models
        The models that rows may name; by default any.
    images
        Whether an image file that does not exist makes a row unusable.
    report
        Filled with what was met.

    Yields
    ------
    Batch
        Rows in the order of the files.

    Raises
    ------
    BadRowError
        At the first bad row, if `strict`; it names the file and the line.
    DataError
        If there is no such file, or it is damaged as a whole.
    """
    return _read(source, Row, strict, models, images, report or ReadReport())


def read_queries(
    source: Source,
    *,
    strict: bool = True,
    images: bool = False,
    report: ReadReport | None = None,
) -> Iterator[Batch[QueryRow]]:
    """Read queries, which need no model and no output; other fields are left out.

    Parameters are those of `read_batches`.
    """
    return _read(source, QueryRow, strict, None, images, report or ReadReport())


def read_records(
    source: Source,
    *,
    strict: bool = True,
    models: Collection[str] | None = None,
    images: bool = False,
    report: ReadReport | None = None,
) -> Iterator[Record]:
    """Read a data set record by record.

    Parameters are those of `read_batches`, which is faster.
    """
    for batch in read_batches(source, strict=strict, models=models, images=images, report=report):
        yield from map(as_record, batch.rows)


def _read(
    source: Source,
    row: type[R],
    strict: bool,
    models: Collection[str] | None,
    images: bool,
    report: ReadReport,
) -> Iterator[Batch[R]]:
    def bad(one: BadRow) -> None:
        if strict:
            raise BadRowError(one)
        report.bad.add(one)

    for path in find_files(source):

        def unknown(name: str, number: int, path: Path = path) -> None:
            report.unknown_fields.setdefault(name, f"{path}:{number}")

        decode = parquet.decode_file if format_of(path) is Format.PARQUET else jsonl.decode_file
        known = _Known(path, models, images)
        for rows, numbers in decode(path, row, bad, unknown):
            batch = Batch(path, rows, numbers)
            if models is not None or images:
                batch = known.keep(batch, bad)
            report.rows += len(batch.rows)
            yield batch


class _Known:
    """Sorts out rows of unknown models and rows whose images do not exist."""

    def __init__(self, path: Path, models: Collection[str] | None, images: bool) -> None:
        self._folder = path.parent
        self._models = None if models is None else frozenset(models)
        self._images = images
        # Rows of a query tend to follow each other, or to come in the same order again: the memory
        # is one bit of knowledge an image, not the image.
        self._exists: dict[str, bool] = {}

    def keep(self, batch: Batch[R], bad: Callable[[BadRow], None]) -> Batch[R]:
        rows, numbers = [], []
        for row, number in zip(batch.rows, batch.numbers, strict=True):
            problem = self._problem(row)
            if problem is None:
                rows.append(row)
                numbers.append(number)
            else:
                bad(BadRow(batch.path, number, *problem))
        return Batch(batch.path, rows, numbers)

    def _problem(self, row: QueryRow) -> tuple[BadRowKind, str] | None:
        if self._models is not None and isinstance(row, Row) and row.model not in self._models:
            known = ", ".join(sorted(self._models))
            return BadRowKind.UNKNOWN_MODEL, f"model {row.model!r} is none of {known}"
        if self._images:
            for image in images_of(row):
                if not self._found(image):
                    return BadRowKind.MISSING_IMAGE, f"image {image!r} does not exist"
        return None

    def _found(self, image: str) -> bool:
        if "://" in image:
            return True
        if image not in self._exists:
            self._exists[image] = is_there(self._folder / image)
        return self._exists[image]
