"""``arms train``: train a router on records."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from arms.cli.run_options import options_from, with_options_of
from arms.cli.runs import run_and_show
from arms.cli.tables import Json
from arms.training.options import TrainOptions


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("train")(with_options_of(TrainOptions)(train))


def train(
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from --checkpoint, if it is there.")
    ] = False,
    json: Json = False,
    **given: Any,
) -> None:
    """Train a router on records: who answered which query correctly.

    The head and what is learned of each candidate are always trained, the
    encoders as far as --text-layers and --image-layers say. A tenth of the
    groups is kept to measure on, and with --calibrate to calibrate on. A
    calibration that MODEL has is dropped, as it is of other weights.

      arms train fresh.gguf m2.jsonl.gz -o router.gguf --candidates profiles.json --calibrate

      arms train router.gguf m2.jsonl.gz -o finer.gguf --text-layers 2 --learning-rate 2e-5

    The output gets a configuration beside it, from which the run can be made
    again, to the same bytes of weights:

      arms train --config router.gguf.toml

      arms train --config router.gguf.toml -o other.gguf --seed 1

    With --lora-rank the encoders' weights stay, and small adapters are trained
    beside them, which --adapter writes to a file of their own:

      arms train base.gguf m2.jsonl.gz -o router.gguf --text-layers 2 --lora-rank 8 --adapter a.gguf

    A long run that is stopped or killed goes on from a checkpoint:

      arms train fresh.gguf m2.jsonl.gz -o router.gguf --checkpoint run.ckpt --resume
    """
    from arms.training import train as run

    options = options_from(TrainOptions, "train", given)
    hint = "" if options.checkpoint is None else "; run it again with --resume to go on"

    def make(progress: bool, report: Any) -> Any:
        return run(options, resume=resume, progress=progress, report=report)

    run_and_show(make, json, hint)
