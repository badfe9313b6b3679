"""What the commands have in common that teach a trained router a little more."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from arms._output import check_output
from arms._printable import printable
from arms.cli.data.options import Lenient, need_packages, tell_reading

if TYPE_CHECKING:
    from arms import Router
    from arms.data import OutcomeTable

__all__ = [
    "Data",
    "Exact",
    "Groups",
    "Lenient",
    "Model",
    "Output",
    "Split",
    "Threads",
    "read",
    "with_images",
]

Model: TypeAlias = Annotated[
    Path, typer.Argument(metavar="MODEL", help="The model file.", show_default=False)
]
Data: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        metavar="DATA",
        help="Records, as [bold]arms data[/bold] makes them: files, folders or patterns.",
        show_default=False,
    ),
]
Output: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="Write here; default: change MODEL itself.", show_default=False
    ),
]
Split: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Use the queries of this split; required where records have splits.",
        show_default=False,
    ),
]
Groups: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="A file with one group a line: use the queries of these groups.", show_default=False
    ),
]
Exact: TypeAlias = Annotated[bool, typer.Option("--exact", help="Decode large JPEGs at full size.")]
Threads: TypeAlias = Annotated[
    int, typer.Option(min=0, help="Threads to use; 0: all cores of this process.")
]


def read(
    data: list[str],
    split: str | None,
    groups: Path | None,
    lenient: bool,
    *,
    output: Path,
    candidates: Path | None = None,
) -> OutcomeTable:
    """Read the records that a command learns from, if its output does not take their place."""
    need_packages()
    from arms.data import OutcomeTable
    from arms.data.files import find_files
    from arms.data.reading import ReadReport
    from arms.training.parts import select

    others = [path for path in (groups, candidates) if path is not None]
    check_output(output, [*find_files(data), *others])
    report = ReadReport()
    table = OutcomeTable.read(data, strict=not lenient, report=report)
    tell_reading(report)
    return select(table, split, groups)


def with_images(router: Router, table: OutcomeTable, lenient: bool) -> OutcomeTable:
    """Look for the images of what a command learns from; say which queries are left out."""
    from arms.training.images import with_images

    table, notes = with_images(router, table, lenient=lenient)
    for note in notes:
        print(f"arms: {printable(note)}", file=sys.stderr)
    return table
