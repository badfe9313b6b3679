"""``arms calibrate``: fit confidences to outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from arms import InvalidArgumentError, Router
from arms._printable import printable
from arms.cli.adapting import (
    Data,
    Exact,
    Groups,
    Lenient,
    Model,
    Output,
    Split,
    Threads,
    read,
    with_images,
)
from arms.cli.tables import Json, console, print_json

if TYPE_CHECKING:
    from arms.data import OutcomeTable


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("calibrate")(calibrate)


def calibrate(
    model: Model,
    data: Data,
    output: Output = None,
    split: Split = None,
    groups: Groups = None,
    strength: Annotated[
        float,
        typer.Option(
            help="Outcomes that the calibration of all candidates together counts as, towards "
            "which each one's is drawn."
        ),
    ] = 256.0,
    exact: Exact = False,
    lenient: Lenient = False,
    threads: Threads = 0,
    json: Json = False,
) -> None:
    """Fit each candidate's temperature and bias, so that confidences mean what they say.

    The records must be such that no training has seen; 1,000 queries are
    plenty. Candidates without outcomes take the common calibration.

      arms calibrate router.gguf m2.jsonl.gz --split test

      arms calibrate router.gguf log.jsonl -o calibrated.gguf --json
    """
    path = output or model
    table = read(data, split, groups, lenient, output=path)
    with Router(model, threads=threads) as router:
        table = with_images(router, _of_candidates(table, router), lenient)
        with table.to_dataset(exact=exact) as outcomes:
            router.calibrate(outcomes, strength=strength)
            counts = (len(outcomes), outcomes.outcome_count)
        router.save(path)
        infos = router.candidates.list()
    if json:
        fitted = {one.name: {"temperature": one.temperature, "bias": one.bias} for one in infos}
        print_json(
            {
                "output": str(path),
                "queries": counts[0],
                "outcomes": counts[1],
                "candidates": fitted,
            }
        )
        return
    drawn = Table(box=None, pad_edge=False)
    drawn.add_column("candidate")
    for column in ("temperature", "bias"):
        drawn.add_column(column, justify="right")
    for one in infos:
        drawn.add_row(Text(printable(one.name)), f"{one.temperature:.3f}", f"{one.bias:+.3f}")
    console().print(drawn)
    print(f"{path}: calibrated on {counts[0]:,} queries, {counts[1]:,} outcomes")


def _of_candidates(table: OutcomeTable, router: Router) -> OutcomeTable:
    """Leave aside the models that the router does not have."""
    common = [name for name in table.models if name in router.candidates]
    if not common:
        raise InvalidArgumentError(
            f"the data and {router.path} have no model in common: the data has "
            f"{', '.join(table.models[:4])}, the router {', '.join([*router.candidates][:4])}"
        )
    return table.select(models=common)
