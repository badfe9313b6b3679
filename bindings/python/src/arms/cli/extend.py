"""``arms extend``: teach a router new candidates."""

from __future__ import annotations

from typing import Any

import typer

from arms.cli.run_options import options_from, with_options_of
from arms.cli.runs import run_and_show
from arms.cli.tables import Json
from arms.training.options import ExtendOptions


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("extend")(with_options_of(ExtendOptions)(extend))


def extend(
    json: Json = False,
    **given: Any,
) -> None:
    """Teach a router new candidates without training it on everything again.

    [bold]incremental[/bold]: training goes on, on the new candidates' outcomes. The
    result is kept if the old candidates are still told as well on the
    validation queries; else nothing is written, and the command exits with 1.
    Without --calibrate they keep the calibration that they are checked with.

      arms extend router.gguf new.jsonl.gz -o larger.gguf --new gpt-4o --candidates profiles.json

      arms extend router.gguf all.jsonl.gz -o larger.gguf --new gpt-4o --replay 0.5 --distill 0.5

    [bold]independent[/bold]: the new candidates get a router of their own, which starts
    with the weights of the first, and both lie in one file. Route through
    it with --policy cascade.

      arms extend router.gguf new.jsonl.gz -o both.gguf --strategy independent --new gpt-4o
      --theta 0.7 --calibrate

    As with `arms train`, the run can be made again from the configuration
    beside the output:

      arms extend --config larger.gguf.toml
    """
    from arms.training import extend as run

    options = options_from(ExtendOptions, "extend", given)

    def make(progress: bool, report: Any) -> Any:
        return run(options, progress=progress, report=report)

    run_and_show(make, json)
