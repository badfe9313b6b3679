"""``arms data check``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from arms._printable import printable
from arms.cli.data.options import EXTRA, Data, need_packages
from arms.cli.tables import Json, console, print_json

if TYPE_CHECKING:
    from arms.data import Report


def check_data(
    data: Data,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model", help="A model that rows may name. Default: any.", show_default=False
        ),
    ] = None,
    images: Annotated[
        bool, typer.Option(help="Open every image; --no-images does not look for them.")
    ] = True,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first row that cannot be used.")
    ] = False,
    examples: Annotated[int, typer.Option(min=0, max=20, help="Cases shown of each finding.")] = 3,
    json: Json = False,
) -> None:
    """Look for what is wrong with a data set and what is odd; exit with 1 if something is wrong.

    Wrong: no row, rows that cannot be used, pairs of query and model that
    come twice, queries whose rows disagree, groups or queries that are in
    several splits, images that are missing or that the router cannot read:
    other formats than JPEG and PNG, beyond its limits, URLs. Odd:
    repeated queries, models that lack rows or whose labels are all alike,
    rows without label, queries that nobody answers, costs known in part,
    unknown fields.

      arms data check m2.jsonl.gz

      arms data check "parts/*.parquet" --json
    """
    need_packages(EXTRA)
    from arms.data import check

    report = check(data, strict=strict, models=model, images=images)
    if json:
        print_json(asdict(report) | {"sound": report.is_sound})
    else:
        console().print(_shown(report, examples))
    if not report.is_sound:
        raise typer.Exit(1)


def _shown(report: Report, examples: int) -> Group:
    counts = (
        f"{report.rows:,} rows, {report.queries:,} queries in {report.groups:,} groups, "
        f"{len(report.models):,} models, {report.images:,} images"
    )
    if not report.findings:
        return Group(Text(counts), Text("nothing wrong, nothing odd", style="green"))
    table = Table(box=None, pad_edge=False)
    for column in ("", "finding"):
        table.add_column(column)
    table.add_column("count", justify="right")
    table.add_column("meaning", overflow="fold")
    for finding in report.findings:
        style = "red" if finding.severity == "wrong" else "yellow"
        table.add_row(
            Text(finding.severity, style=style),
            finding.kind,
            f"{finding.count:,}",
            Text(printable(finding.message)),
        )
        for example in finding.examples[:examples]:
            table.add_row("", "", "", Text(f"- {printable(example)}", style="dim"))
    return Group(Text(counts), table)


def register(group: typer.Typer) -> None:
    """Add the command to the group."""
    group.command("check")(check_data)
