"""``arms data import``."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from arms.cli.data.options import EXTRA, Lenient, Output, need_packages, pairs, tell_bad


class _Format(StrEnum):
    """The names of `arms.data.importing.ImportFormat`, known without importing it."""

    M2 = "m2"
    VLMEVALKIT = "vlmevalkit"
    MMR_BENCH = "mmr-bench"
    HELM = "helm"
    CSV = "csv"


def import_data(
    form: Annotated[
        _Format,
        typer.Argument(
            metavar="FORMAT", help="m2, vlmevalkit, mmr-bench, helm, csv.", show_default=False
        ),
    ],
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", help="Files or folders of it.", show_default=False),
    ],
    output: Output,
    images: Annotated[
        Path | None,
        typer.Option(help="Folder in which to look for images.", show_default=False),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help='Column of a field: "question=Prompt".', show_default=False),
    ] = None,
    constant: Annotated[
        list[str] | None,
        typer.Option("--set", help='Field of every row: "language=en".', show_default=False),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Score from which on an output counts as right. Default: 1, if none is above it.",
            show_default=False,
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="HELM: the metric that is the label. Default: exact match.", show_default=False
        ),
    ] = None,
    lenient: Lenient = False,
) -> None:
    """Write other people's results as a data set.

    m2: tables with the fields of the paper's Fig. 2. vlmevalkit: result
    tables, or the folder of their runs. mmr-bench: its CSV. helm: run
    folders of HELM or VHELM, or a folder of these. csv: any table (.csv,
    .tsv, .xlsx, .parquet, .json, .jsonl) by a map of its columns.

      arms data import vlmevalkit outputs -o m2.parquet --images LMUData/images

      arms data import helm benchmark_output/runs/v2 -o vhelm.jsonl.gz

      arms data import csv results.csv -o m2.jsonl --column question=Prompt --set model=gpt-4o
    """
    need_packages(EXTRA)
    from arms.data.errors import BadRows
    from arms.data.importing import ImportOptions, ImportReport, import_records

    options = ImportOptions(
        constants=pairs(constant or (), "--set", "FIELD"),
        columns=pairs(column or (), "--column", "FIELD"),
        images=images,
        threshold=threshold,
        metric=metric,
    )
    bad, report = BadRows(), ImportReport()
    rows = import_records(
        form.value, paths, output, options, strict=not lenient, bad=bad, report=report
    )
    tell_bad(bad)
    if lacking := str(report):
        print(f"arms: {lacking}", file=sys.stderr)
    print(f"{output}: {rows:,} rows")


def register(group: typer.Typer) -> None:
    """Add the command to the group."""
    group.command("import")(import_data)
