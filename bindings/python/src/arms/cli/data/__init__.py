"""``arms data``: make, check and convert data sets; one module a command."""

from __future__ import annotations

import typer

from arms.cli.data import build, check, collect, importing, label, schema

group = typer.Typer(no_args_is_help=True)
for command in (collect, label, build, check, importing, schema):
    command.register(group)


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    app.add_typer(
        group,
        name="data",
        help=(
            "Make a data set of your own models' answers, and check it.\n\n"
            "A data set has a row for each query and model: who was right, at what cost. "
            "From questions to a data set that a router can learn from:\n\n"
            "  arms data collect queries.jsonl -c models.yaml -o answers.jsonl\n\n"
            "  arms data label answers.jsonl -o labelled.jsonl\n\n"
            "  arms data build labelled.jsonl -o m2.parquet\n\n"
            "  arms data check m2.parquet\n\n"
            "Needs the packages of [bold]pip install 'arms\\[data]'[/bold]."
        ),
    )
