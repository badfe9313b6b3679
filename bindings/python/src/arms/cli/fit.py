"""``arms fit``: learn candidates from few outcomes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from arms import InvalidArgumentError, Router
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
from arms.cli.tables import Json, print_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("fit")(fit)


def fit(
    model: Model,
    data: Data,
    new: Annotated[
        list[str], typer.Option(help="A candidate to learn; can be repeated.", show_default=False)
    ],
    output: Output = None,
    candidates: Annotated[
        Path | None,
        typer.Option(
            help="Profiles (.json or .yaml) of those that MODEL does not have yet.",
            show_default=False,
        ),
    ] = None,
    name_only: Annotated[
        bool,
        typer.Option("--name-only", help="Describe those that are added by their names alone."),
    ] = False,
    shots: Annotated[
        int | None,
        typer.Option(min=1, help="Use so many queries only, drawn at random.", show_default="all"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="shots: decides which.")] = 0,
    split: Split = None,
    groups: Groups = None,
    strength: Annotated[
        float, typer.Option(help="Outcomes that the profile and the usual offset count as.")
    ] = 8.0,
    exact: Exact = False,
    lenient: Lenient = False,
    threads: Threads = 0,
    json: Json = False,
) -> None:
    """Learn new candidates from 8 to some 1,000 outcomes each, in seconds.

    Only what is a candidate's own is learned: all others, and the weights
    that they share, stay as they are. With more outcomes use `arms extend`.

      arms fit router.gguf log.jsonl --new gpt-4o --candidates profiles.json

      arms fit router.gguf m2.jsonl.gz --split train --new gpt-4o --name-only --shots 64
    """
    from arms.training.parts import without_outcome
    from arms.training.pool import add_missing

    path = output or model
    table = read(data, split, groups, lenient, output=path, candidates=candidates)
    table = table.select(models=new)
    table = table.take(np.asarray(table.known.any(axis=1)))
    if shots is not None:
        order = np.random.default_rng(seed).permutation(len(table))[:shots]
        table = table.take(np.sort(order))
    absent = without_outcome(table, new)
    if absent:
        raise InvalidArgumentError(f"the data has no outcome of {', '.join(absent)}")
    with Router(model, threads=threads) as router:
        table = with_images(router, table, lenient)
        counts = dict(zip(new, table.known.sum(axis=0).tolist(), strict=True))
        add_missing(router, new, candidates=candidates, name_only=name_only)
        with table.to_dataset(exact=exact) as outcomes:
            router.fit(new, outcomes, strength=strength)
        router.save(path)
    if json:
        print_json({"output": str(path), "outcomes": counts})
    else:
        learned = ", ".join(f"{name} from {count:,} outcomes" for name, count in counts.items())
        print(f"{path}: learned {learned}")
