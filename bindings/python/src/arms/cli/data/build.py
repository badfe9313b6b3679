"""``arms data build``."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from arms.cli.data.options import EXTRA, Data, Lenient, Output, need_packages, pairs, tell_reading
from arms.cli.tables import Json, console, print_json

if TYPE_CHECKING:
    from arms.data.building import BuildReport


class _Balance(StrEnum):
    """The names of `arms.data.building.Balance`, known without importing it."""

    NONE = "none"
    LABEL = "label"
    TASK = "task"
    BENCHMARK = "benchmark"
    LANGUAGE = "language"


def build_data(
    data: Data,
    output: Output,
    test: Annotated[float, typer.Option(min=0, max=1, help="Share of the groups that test.")] = 0.1,
    ood_task: Annotated[
        list[str] | None,
        typer.Option(help="A task that is out of distribution.", show_default=False),
    ] = None,
    ood_benchmark: Annotated[
        list[str] | None,
        typer.Option(help="A benchmark that is out of distribution.", show_default=False),
    ] = None,
    drop_unanswered: Annotated[
        bool,
        typer.Option(
            "--drop-unanswered", help="Drop queries that no model answers; else they are marked."
        ),
    ] = False,
    balance: Annotated[
        _Balance, typer.Option(help="Drop training queries at random until this is balanced.")
    ] = _Balance.NONE,
    keep_splits: Annotated[
        bool, typer.Option("--keep-splits", help="Queries that have a split keep it.")
    ] = False,
    pool: Annotated[
        list[str] | None,
        typer.Option(
            help='A pool for the table, "Free=a,b,c"; each is added to those before.',
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed splits alike.")] = 0,
    lenient: Lenient = False,
    json: Json = False,
) -> None:
    """Split a data set by group into train, test and out of distribution, and mark its queries.

    Queries of one group, and queries with the same question and images,
    never part. With {split} in the output's name each split gets its own
    file; one of a split that gets no query must not be there. Prints the
    paper's Table 2.

      arms data build labelled.jsonl -o m2.parquet --ood-benchmark vhelm --drop-unanswered

      arms data build "parts/*.jsonl" -o "m2-{split}.jsonl.gz" --pool Free=a,b --pool Paid=c
    """
    need_packages(EXTRA)
    from arms.data import BuildOptions, build
    from arms.data.building import Balance
    from arms.data.reading import ReadReport

    pools = {
        name: [model.strip() for model in models.split(",")]
        for name, models in pairs(pool or (), "--pool", "NAME").items()
    }
    options = BuildOptions(
        test=test,
        ood_tasks=ood_task or (),
        ood_benchmarks=ood_benchmark or (),
        drop_unanswered=drop_unanswered,
        balance=Balance(balance.value),
        keep_splits=keep_splits,
        pools=pools,
        seed=seed,
    )
    reading = ReadReport()
    report = build(data, output, options, strict=not lenient, report=reading)
    tell_reading(reading)
    if json:
        print_json(asdict(report) | {"paths": [str(path) for path in report.paths]})
        return
    console().print(_table(report))
    print(_sentence(report))


def _table(report: BuildReport) -> Table:
    """Draw the paper's Table 2: queries that at least one model of the pool answers."""
    table = Table(box=None, pad_edge=False, title="Queries that some model of the pool answers")
    for column in ("", "VLM pool"):
        table.add_column(column)
    for column in ("|S|", "training set", "test set"):
        table.add_column(column, justify="right")
    for name, train, test in (("ID", "train", "test"), ("OOD", None, "ood")):
        for number, pool in enumerate(report.statistics):
            counts = {str(split): count for split, count in pool.queries.items()}
            table.add_row(
                "" if number else name,
                pool.pool,
                str(pool.models),
                f"{counts[train]:,}" if train else "0",
                f"{counts[test]:,}",
            )
    total = [
        sum(pool.queries["train"] for pool in report.statistics),
        sum(pool.queries["test"] + pool.queries["ood"] for pool in report.statistics),
    ]
    table.add_section()
    table.add_row("Total", "", "", *(f"{count:,}" for count in total))
    return table


def _sentence(report: BuildReport) -> str:
    splits = ", ".join(f"{count:,} {split}" for split, count in report.queries.items())
    dropped = report.dropped_unanswered
    fate = "dropped" if dropped else "kept and marked"
    balanced = report.dropped_to_balance
    return (
        f"{', '.join(map(str, report.paths))}: {report.rows:,} rows, queries: {splits}; "
        f"{report.unanswered:,} that no model answers {fate}"
        + (f"; {balanced:,} dropped to balance" if balanced else "")
    )


def register(group: typer.Typer) -> None:
    """Add the command to the group."""
    group.command("build")(build_data)
