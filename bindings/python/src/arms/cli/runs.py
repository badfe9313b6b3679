"""What training runs print."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.table import Table

from arms._printable import printable
from arms.adaptation import HeldOutMetrics
from arms.cli.data.options import need_packages, tell_reading
from arms.cli.tables import console, print_json
from arms.progress import Metrics

if TYPE_CHECKING:
    from arms.data.reading import ReadReport
    from arms.training.report import RunReport


def run_and_show(
    run: Callable[[bool, ReadReport], RunReport], json: bool, on_interrupt: str = ""
) -> None:
    """Make a run and show what it did.

    Parameters
    ----------
    run
        Makes the run; told whether to show a progress bar, and whom to tell of rows left out.
    json
        Whether one line of JSON is printed in place of a table.
    on_interrupt
        What to do when it was stopped.

    Raises
    ------
    typer.Exit
        130 if it was stopped, 1 if its result was not kept.
    """
    need_packages()
    from arms.data.reading import ReadReport

    reading = ReadReport()
    try:
        report = run(sys.stderr.isatty(), reading)
    except KeyboardInterrupt:
        print(f"arms: stopped{on_interrupt}", file=sys.stderr)
        raise typer.Exit(130) from None
    tell_reading(reading)
    for note in report.notes:
        print(f"arms: {printable(note)}", file=sys.stderr)
    if json:
        print_json(_record(report))
    else:
        _show(report)
    if not report.accepted:
        print("arms: nothing was written: the old candidates would do worse", file=sys.stderr)
        raise typer.Exit(1)


def need_matplotlib() -> None:
    """Say that matplotlib is missing.

    Raises
    ------
    UnsupportedError
        If it is.
    """
    from importlib.util import find_spec

    from arms.errors import UnsupportedError

    if find_spec("matplotlib") is None:
        raise UnsupportedError("plots need matplotlib: pip install 'arms[evaluation]'")


def metrics_table(rows: dict[str, Metrics | HeldOutMetrics]) -> Table:
    """Draw what was measured."""
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for column in ("loss", "accuracy", "EM", "queries"):
        table.add_column(column, justify="right")
    for name, one in rows.items():
        table.add_row(
            name,
            f"{one.loss:.4f}",
            f"{100 * one.accuracy:.1f}%",
            f"{100 * one.exact_match:.1f}%",
            f"{one.query_count:,}",
        )
    return table


def _show(report: RunReport) -> None:
    rows: dict[str, Metrics | HeldOutMetrics] = {
        f"validation, epoch {number}": one for number, one in enumerate(report.epochs, 1)
    }
    if report.before is not None and report.after is not None:
        rows |= {"old candidates, before": report.before, "old candidates, after": report.after}
    if report.held_out is not None:
        rows["held out"] = report.held_out
    output = console()
    if rows:
        output.print(metrics_table(rows))
    trained = f"{report.queries:,} queries, {report.outcomes:,} outcomes"
    if report.output is not None:
        calibrated = ", calibrated" if report.calibrated else ""
        configuration = report.configuration
        again = "" if configuration is None else f"; {configuration} runs it again"
        print(f"{report.output}: trained on {trained}{calibrated}{again}")


def _record(report: RunReport) -> dict[str, Any]:
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in asdict(report).items()
    }
