"""``arms data collect``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from arms._output import check_output
from arms._printable import printable
from arms.cli.data.options import EXTRA, need_packages
from arms.cli.tables import Json, console, print_json

if TYPE_CHECKING:
    from arms.data.collecting import CollectReport, ModelReport


def collect_data(
    queries: Annotated[
        list[str],
        typer.Argument(
            metavar="QUERIES",
            help="Files of queries: id, question, image, answer; data sets will do.",
            show_default=False,
        ),
    ],
    config: Annotated[
        Path,
        typer.Option(
            "--config", "-c", help="Whom to ask: a .yaml or .toml file.", show_default=False
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The .jsonl file to append to.", show_default=False),
    ],
    candidates: Annotated[
        Path | None,
        typer.Option(
            help="Write the models' profiles, mean costs and median latencies here, for "
            "`arms candidates add --from`.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Ask models behind OpenAI-compatible endpoints every query that the output lacks.

    Answers are on the disk as they come, with their cost and latency. Stop
    it when you like, and run it again: it goes on where it was. An id names
    one question and its images, in all files and in the output. Exits with
    1 if questions remain without an answer. The configuration names the
    models:

      models:
        - name: qwen2.5-vl-7b-instruct
          endpoint: http://localhost:8000/v1
          model: Qwen/Qwen2.5-VL-7B-Instruct
          input_price: 0          # US dollars a million tokens
          output_price: 0
          concurrency: 16
        - name: gpt-4o
          endpoint: https://api.openai.com/v1
          key_env: OPENAI_API_KEY
          input_price: 2.5
          output_price: 10
          requests_per_minute: 500

    Further fields of a model: timeout, retries, max_tokens, temperature,
    extra; and of its profile: parameters, architecture, language_model,
    vision_model, profile, max_images. Fields of the file: instruction and
    choice_instruction, which are added to open questions and to those with
    options, so that outputs are plain answers.
    """
    need_packages(EXTRA)
    from arms.data.collecting import collect, count_queries, read_config, write_candidates

    if candidates is not None:
        check_output(candidates)
    wanted = read_config(config)
    try:
        with _Bars([model.name for model in wanted.models], count_queries(queries)) as bars:
            report = collect(queries, output, wanted, progress=bars.move)
    except KeyboardInterrupt:
        print("arms: stopped; run it again to go on", file=sys.stderr)
        raise typer.Exit(130) from None
    if candidates is not None:
        write_candidates(candidates, wanted, output)
    if json:
        print_json(asdict(report) | {"output": str(output), "complete": report.is_complete})
    else:
        console().print(_table(report))
    _tell(report)
    if not report.is_complete:
        raise typer.Exit(1)


class _Bars:
    """A bar for each model, on a terminal only."""

    def __init__(self, models: list[str], queries: int) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("${task.fields[cost]:.4f}"),
            TextColumn("[red]{task.fields[failed]}"),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._tasks = {
            name: self._progress.add_task(name, total=queries, cost=0.0, failed="")
            for name in models
        }

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    @property
    def move(self) -> Callable[[str, ModelReport], None]:
        """What `collect` tells of its progress."""
        return self._move

    def _move(self, name: str, report: ModelReport) -> None:
        self._progress.update(
            self._tasks[name],
            completed=report.before + report.done + report.failed,
            cost=report.cost,
            failed=f"{report.failed} failed" if report.failed else "",
        )


def _table(report: CollectReport) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("model")
    for column in ("answers", "from before", "failed", "retries", "cost"):
        table.add_column(column, justify="right")
    for name, model in report.models.items():
        counts = (model.done, model.before, model.failed, model.retried)
        table.add_row(
            Text(printable(name)), *(f"{count:,}" for count in counts), f"${model.cost:.6g}"
        )
    return table


def _tell(report: CollectReport) -> None:
    if report.torn:
        print(
            f"arms: cut off {report.torn} bytes of a last line that a killed run had left",
            file=sys.stderr,
        )
    for name, model in report.models.items():
        for reason, count in sorted(model.reasons.items(), key=lambda one: -one[1])[:5]:
            print(f"arms: {name}: {count:,} failed: {reason}", file=sys.stderr)
        if model.stopped:
            print(f"arms: {name}: given up: {model.stopped}", file=sys.stderr)


def register(group: typer.Typer) -> None:
    """Add the command to the group."""
    group.command("collect")(collect_data)
