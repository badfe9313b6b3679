"""The commands ``models`` and ``run``; see README.md."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks import report
from benchmarks.comparison import PARTS, Comparison, Effort
from benchmarks.models import Folder, make

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.command()
def models(
    folder: Annotated[Path, typer.Argument(help="Where to put 2 GB, outside the repository.")],
    tokenizer: Annotated[
        Path | None,
        typer.Option(help="tokenizer.json of a BERT vocabulary; by default one is made up."),
    ] = None,
) -> None:
    """Make the models of every engine from checkpoints with random weights."""
    make(Folder(folder), tokenizer)


@app.command()
def run(
    folder: Annotated[Path, typer.Argument(help="What `models` filled.")],
    only: Annotated[
        list[str] | None, typer.Option(help=f"One of {', '.join(PARTS)}; may be repeated.")
    ] = None,
    rounds: Annotated[int, typer.Option(help="Turns of every engine.")] = Effort.rounds,
    seconds: Annotated[float, typer.Option(help="Length of a turn.")] = Effort.seconds,
    json: Annotated[Path | None, typer.Option(help="Write the rows to this file too.")] = None,
) -> None:
    """Measure ARMS beside its peers and print the ratios."""
    unknown = set(only or ()) - set(PARTS)
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: expected {', '.join(PARTS)}")
    comparison = Comparison(Folder(folder), Effort(rounds=rounds, seconds=seconds))
    typer.echo("\n".join(f"{name}: {value}" for name, value in report.machine().items()))
    typer.echo("\n" + report.heading())
    rows = []
    for row in comparison.rows(only or list(PARTS)):
        typer.echo(report.line(row))
        rows.append(row)
    typer.echo(f"\n{'; '.join(sorted(set(comparison.versions.values())))}")
    typer.echo(f"load average: {report.machine()['load average']}")
    if json is not None:
        json.write_text(report.as_json(rows, comparison.versions) + "\n")


if __name__ == "__main__":
    app()
