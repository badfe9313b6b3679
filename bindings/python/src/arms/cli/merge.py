"""``arms merge``: two routers in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from arms import Router
from arms._output import check_output
from arms.cli.tables import Json, print_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("merge")(merge)


def merge(
    first: Annotated[
        Path,
        typer.Argument(
            metavar="FIRST", help="The model file of the pool to ask first.", show_default=False
        ),
    ],
    second: Annotated[
        Path,
        typer.Argument(
            metavar="SECOND", help="The model file of the other pool.", show_default=False
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The model file to write.", show_default=False)
    ],
    theta: Annotated[
        float | None,
        typer.Option(
            help="Stay in the first pool above this confidence, above 0 and at most 1.",
            show_default="FIRST's",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Join two routers with different candidates in one file, a cascade (Algorithm 1).

    Encoders that both share lie in the file once. A cheap pool comes first,
    and the other one is asked when nobody there is good enough:

      arms merge free.gguf paid.gguf -o both.gguf --theta 0.7

      arms route both.gguf chart.png "Which year had the highest sales?" --policy cascade

    Confidences of two routers can be compared only when both are calibrated:
    run `arms calibrate` on the result.
    """
    check_output(output, [first, second])
    with Router(first) as one, Router(second) as other:
        one.join(other, output, theta=theta)
        counts = (len(one.candidates), len(other.candidates))
    size = output.stat().st_size
    if json:
        print_json({"output": str(output), "bytes": size, "candidates": list(counts)})
    else:
        print(f"{output}: {size:,} bytes, {counts[0]} and {counts[1]} candidates")
