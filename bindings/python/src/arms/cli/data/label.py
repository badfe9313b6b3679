"""``arms data label``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from arms._printable import printable
from arms.cli.data.options import EXTRA, Data, Lenient, Output, need_packages, tell_reading
from arms.cli.tables import Json, console, print_json

if TYPE_CHECKING:
    from arms.data.labelling import LabelReport


def label_data(
    data: Data,
    output: Output,
    tolerance: Annotated[
        float, typer.Option(help="Share of the true value by which a number may be off.")
    ] = 0.0,
    judge: Annotated[
        float | None,
        typer.Option(
            help='Mark by the field "judge" instead: right from this verdict on, such as 0.5.',
            show_default=False,
        ),
    ] = None,
    relabel: Annotated[
        bool,
        typer.Option(
            "--relabel", help="Mark rows that have a label too, if that can be told; else it stays."
        ),
    ] = False,
    lenient: Lenient = False,
    json: Json = False,
) -> None:
    """Mark which outputs are right: those that match the answer exactly, once both are normalised.

    Case, white space, punctuation at words' ends and articles do not count;
    "1,200.0" is 1200, "50%" is 50; of a question that lists options (A.
    red, B. blue), "B", "(b)" and "blue" are the same; the last line
    "Answer: ..." of an output is what counts.

      arms data label answers.jsonl -o labelled.jsonl --tolerance 0.01
    """
    need_packages(EXTRA)
    from arms.data import LabelOptions, label
    from arms.data.reading import ReadReport

    reading = ReadReport()
    options = LabelOptions(tolerance=tolerance, judge=judge, relabel=relabel)
    report = label(data, output, options, strict=not lenient, report=reading)
    tell_reading(reading)
    if json:
        print_json(asdict(report) | {"output": str(output)})
    else:
        console().print(_table(report))
        print(
            f"{output}: {report.right + report.wrong:,} rows marked, {report.kept:,} kept their "
            f"label, {report.unknown:,} cannot be marked"
        )


def _table(report: LabelReport) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("model")
    for column in ("right", "wrong", "share right"):
        table.add_column(column, justify="right")
    for name, count in report.models.items():
        share = count.right / (count.right + count.wrong)
        table.add_row(Text(printable(name)), f"{count.right:,}", f"{count.wrong:,}", f"{share:.1%}")
    return table


def register(group: typer.Typer) -> None:
    """Add the command to the group."""
    group.command("label")(label_data)
