"""Options that several of the commands have, and what they print alike."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from arms import UnsupportedError

if TYPE_CHECKING:
    from arms.data.errors import BadRows
    from arms.data.reading import ReadReport

Data: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        metavar="DATA",
        help="Data files (.jsonl, also .gz, .bz2, .xz or .zst; .parquet), folders or patterns.",
        show_default=False,
    ),
]
Output: TypeAlias = Annotated[
    Path, typer.Option("--output", "-o", help="The file to write.", show_default=False)
]
Lenient: TypeAlias = Annotated[
    bool,
    typer.Option("--lenient", help="Leave out rows that cannot be used, and say how many."),
]

SCHEMA = ("msgspec", "pydantic")
"""The packages that say what a record is."""

READING = (*SCHEMA, "yaml")
"""The packages that read records and lists of candidates."""

EXTRA = (*READING, "openai", "openpyxl", "PIL", "pyarrow")
"""All packages of the extra."""


def need_packages(names: Iterable[str] = READING) -> None:
    """Say which packages are missing; for a command itself to ask, as its help needs none.

    Raises
    ------
    UnsupportedError
        If some are.
    """
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise UnsupportedError(f"{', '.join(missing)} is not installed: pip install 'arms[data]'")


def tell_reading(report: ReadReport) -> None:
    """Say on standard error what was left out."""
    tell_bad(report.bad)
    if report.unknown_fields:
        named = ", ".join(f"{name} ({place})" for name, place in report.unknown_fields.items())
        print(f"arms: fields left out that the schema does not have: {named}", file=sys.stderr)


def tell_bad(bad: BadRows) -> None:
    """Say on standard error which rows were left out."""
    if len(bad):
        print(f"arms: left out: {bad}", file=sys.stderr)


def pairs(values: Iterable[str], option: str, left: str) -> dict[str, str]:
    """Split ``name=value`` options.

    Raises
    ------
    typer.BadParameter
        If a value has no ``=``.
    """
    split: dict[str, str] = {}
    for value in values:
        name, equals, rest = value.partition("=")
        if not (name and equals and rest):
            raise typer.BadParameter(f"{option} takes {left}=VALUE, not {value!r}")
        split[name] = rest
    return split
