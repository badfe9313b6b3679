"""What can be wrong with a data set, by kind, file and line."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from arms.errors import InvalidArgumentError, Status

EXAMPLES_KEPT = 20


class DataError(InvalidArgumentError):
    """A data file cannot be used; the message names the file and what would be right."""

    code = Status.INVALID_ARGUMENT


class BadRowKind(StrEnum):
    """Why a row cannot be used."""

    JSON = "json"
    """The line is not a JSON object."""
    UTF8 = "utf-8"
    """A text is not UTF-8."""
    MISSING_FIELD = "missing field"
    """A field that a row must have is absent."""
    LABEL = "label"
    """The label is not true, false or null."""
    TYPE = "type"
    """A field has the wrong type."""
    VALUE = "value"
    """A field has the right type and a value that it cannot have, such as a negative cost."""
    UNKNOWN_MODEL = "unknown model"
    """The model is none of those that were asked for."""
    MISSING_IMAGE = "missing image"
    """An image file does not exist."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """One row that cannot be used.

    Attributes
    ----------
    path
        The file.
    number
        The line of a text file, the row of a Parquet file; the first is 1.
    kind
        Why it cannot be used.
    message
        What is wrong and what would be right, without the place.
    """

    path: Path
    number: int
    kind: BadRowKind
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.number}: {self.message}"


class BadRowError(DataError):
    """A row cannot be used, and reading is strict.

    Attributes
    ----------
    row
        The row.
    """

    def __init__(self, row: BadRow) -> None:
        super().__init__(str(row))
        self.row = row


@dataclass(slots=True)
class BadRows:
    """Counts bad rows by kind and keeps the first few of each.

    Attributes
    ----------
    counts
        How many rows of each kind.
    examples
        The first `EXAMPLES_KEPT` rows of each kind.
    """

    counts: Counter[BadRowKind] = field(default_factory=Counter)
    examples: dict[BadRowKind, list[BadRow]] = field(default_factory=dict)

    def add(self, row: BadRow) -> None:
        """Count a row."""
        self.counts[row.kind] += 1
        kept = self.examples.setdefault(row.kind, [])
        if len(kept) < EXAMPLES_KEPT:
            kept.append(row)

    @property
    def kinds(self) -> str:
        """The number of each kind, the commonest first: ``2 label, 1 type``."""
        return ", ".join(f"{count:,} {kind}" for kind, count in self.counts.most_common())

    def __len__(self) -> int:
        return sum(self.counts.values())

    def __str__(self) -> str:
        """One line: the number of each kind and the first row of the commonest."""
        if not self.counts:
            return "no bad rows"
        first = self.examples[self.counts.most_common(1)[0][0]][0]
        return f"{len(self):,} bad rows ({self.kinds}), such as {first}"
