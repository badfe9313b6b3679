"""``arms adapter``: what was trained beside a router's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from arms import Router
from arms.cli.tables import Json, print_json

_commands = typer.Typer(
    no_args_is_help=True,
    help="Add what [bold]arms train --adapter[/bold] wrote to the router that it was trained on.",
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(_commands, name="adapter")


@_commands.command()
def apply(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", help="The router that it was trained on.", show_default=False
        ),
    ],
    adapter: Annotated[
        Path, typer.Argument(metavar="ADAPTER", help="The adapter.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The model file to write.", show_default=False)
    ],
    keep_candidates: Annotated[
        bool,
        typer.Option(
            "--keep-candidates", help="Keep MODEL's candidates in place of those of the training."
        ),
    ] = False,
    json: Json = False,
) -> None:
    """Write a router with an adapter merged into its weights.

    The result answers as the trained router did, to the bit, and is a model
    file like any other:

      arms adapter apply base.gguf m2.gguf -o router.gguf
    """
    with Router(model) as router:
        router.apply_adapter(adapter, keep_candidates=keep_candidates)
        router.save(output)
        count = len(router.candidates)
    size = output.stat().st_size
    if json:
        print_json({"output": str(output), "bytes": size, "candidates": count})
    else:
        print(f"{output}: {size:,} bytes, {count} candidates")
