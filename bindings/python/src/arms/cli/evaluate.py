"""``arms evaluate``: measure a router on data whose outcomes are known."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from arms import InvalidArgumentError, Router
from arms._output import check_output, replacing
from arms._printable import printable
from arms.cli.adapting import Data, Exact, Lenient, Model, Threads
from arms.cli.data.options import need_packages, tell_reading
from arms.cli.runs import need_matplotlib
from arms.cli.tables import console, print_json_text

if TYPE_CHECKING:
    from arms.data import OutcomeTable
    from arms.evaluation import Evaluation
    from arms.evaluation.outcomes import Floats, Outcomes
    from arms.evaluation.scoring import Scored

_DATA = "Data"
_STATISTICS = "Statistics"


class _Seen(StrEnum):
    TEXT = "text"
    IMAGE = "image"
    BOTH = "both"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("evaluate")(evaluate)


def evaluate(
    model: Model,
    data: Data,
    split: Annotated[
        str | None,
        typer.Option(
            help="Evaluate on the queries of this split. Default: test; all, where records have no "
            "splits.",
            show_default=False,
            rich_help_panel=_DATA,
        ),
    ] = None,
    training: Annotated[
        list[str] | None,
        typer.Option(
            "--training",
            help="Records to fit the baselines on; can be repeated. Default: the split train.",
            show_default=False,
            rich_help_panel=_DATA,
        ),
    ] = None,
    held_out: Annotated[
        Path | None,
        typer.Option(
            help="A file with one group a line: evaluate on these, fit the baselines on the rest.",
            show_default=False,
            rich_help_panel=_DATA,
        ),
    ] = None,
    baselines: Annotated[
        bool,
        typer.Option(help="Fit kNN, logistic and MLP routers to compare with."),
    ] = True,
    embeddings: Annotated[
        _Seen,
        typer.Option(help="What the baselines see of a query, from this router's own encoders."),
    ] = _Seen.TEXT,
    replicates: Annotated[
        int, typer.Option(min=2, help="Bootstrap replicates.", rich_help_panel=_STATISTICS)
    ] = 1000,
    seed: Annotated[
        int, typer.Option(min=0, help="Of the bootstrap.", rich_help_panel=_STATISTICS)
    ] = 0,
    exact: Exact = False,
    lenient: Lenient = False,
    threads: Threads = 0,
    html: Annotated[
        Path | None,
        typer.Option(help="Write a report with the plots in it.", show_default=False),
    ] = None,
    vectors: Annotated[
        Path | None,
        typer.Option(
            help="Write the queries' vectors (.npz), for [bold]arms plot projection[/bold].",
            show_default=False,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure what a router gains, with standard errors, and say plainly whether it does.

    Queries are judged by the models that the data and the router share.
    Training queries fit the baselines and tell the strongest model; no
    group may be in both parts. Queries with more images than any of these
    models takes, which no router can send anywhere, are left out and counted.

      arms evaluate router.gguf m2.jsonl.gz --html report.html

      arms evaluate router.gguf test.jsonl --training train.jsonl --json > evaluation.json
    """
    from arms.data.files import find_files
    from arms.evaluation import evaluate as evaluated
    from arms.evaluation import to_json
    from arms.evaluation.evaluation import check_training
    from arms.evaluation.report import terminal_report
    from arms.evaluation.scoring import common_models, priced_by

    others = [model] if held_out is None else [model, held_out]
    _check_outputs(html, vectors, [*find_files([*data, *(training or [])]), *others])
    tested, trained = _read(data, training, split, held_out, lenient)
    with Router(model, threads=threads) as router:
        names = common_models(router, tested)
        if trained is not None:
            names = [name for name in names if name in trained.models]
        _tell_left_out(router, tested, names)
        tested = _routable(router, priced_by(router, tested.with_models(names)))
        tested = _with_images(router, tested, lenient)
        if trained is not None:
            trained = _routable(router, priced_by(router, trained.with_models(names)))
            trained = _with_images(router, trained, lenient)
            check_training(tested, trained)
            if baselines:
                _check_baselines(router, embeddings)
        scored = _scored(router, tested, exact, "scoring")
        rivals: dict[str, Floats] = {}
        if trained is not None and baselines:
            known = _scored(router, trained, exact, "encoding training queries")
            rivals = _baselines(trained, known, scored, embeddings, seed)
    second = scored.second_pool
    evaluation = evaluated(
        tested,
        scored.confidences,
        training=trained,
        baselines=rivals,
        gate=scored.gate,
        second_pool=second if second.any() and not second.all() else None,
        replicates=replicates,
        seed=seed,
    )
    # First what the scoring was for: a disk may be full. Whichever fails, the others are written.
    with ExitStack() as files:
        if html is not None:
            files.callback(_save_report, html, evaluation)
        if vectors is not None:
            files.callback(_save_vectors, vectors, tested, scored)
        if json:
            print_json_text(to_json(evaluation))
            sys.stdout.flush()
        else:
            console().print(terminal_report(evaluation))


def _read(
    data: list[str],
    training: list[str] | None,
    split: str | None,
    held_out: Path | None,
    lenient: bool,
) -> tuple[Outcomes, Outcomes | None]:
    """Return the queries to evaluate on, and those to train the baselines on."""
    need_packages()
    from arms.data import OutcomeTable
    from arms.data.reading import ReadReport
    from arms.evaluation import Outcomes
    from arms.training.parts import in_listed_groups, of_split, usual_split

    def read(source: list[str]) -> OutcomeTable:
        report = ReadReport()
        table = OutcomeTable.read(source, strict=not lenient, report=report)
        tell_reading(report)
        return table

    table, other = read(data), None if training is None else read(training)
    if held_out is not None:
        if other is not None or split is not None:
            raise typer.BadParameter("--held-out goes without --training and --split")
        tested = in_listed_groups(table, held_out)
        return Outcomes.of(table.take(tested)), Outcomes.of(table.take(~tested))
    wanted = usual_split(table, split, "test")
    if wanted is not None:
        if other is None and "train" in table.splits and wanted != "train":
            other = table.take(of_split(table, "train"))
        table = table.take(of_split(table, wanted))
    return Outcomes.of(table), None if other is None else Outcomes.of(other)


def _tell_left_out(router: Router, outcomes: Outcomes, names: list[str]) -> None:
    for where, all_names in (("data", outcomes.models), (router.path, list(router.candidates))):
        left = [name for name in all_names if name not in names]
        if left:
            print(
                f"arms: {where}: left out, for lack of a counterpart: {', '.join(left)}",
                file=sys.stderr,
            )


def _routable(router: Router, outcomes: Outcomes) -> Outcomes:
    """Leave out the queries that no model takes, and say how many."""
    from arms.evaluation.scoring import routable

    fits = routable(router, outcomes)
    if not fits.any():
        raise InvalidArgumentError("every query has more images than any model takes")
    if not fits.all():
        print(
            f"arms: left out, for more images than any model takes: {(~fits).sum():,} of "
            f"{len(outcomes):,} queries, {str(outcomes.ids[~fits][0])!r} first",
            file=sys.stderr,
        )
    return outcomes.select(fits)


def _with_images(router: Router, outcomes: Outcomes, lenient: bool) -> Outcomes:
    """Look for the images before the scoring, and say how many queries are left out."""
    from arms.training.images import images_found, left_out

    found = images_found(router, outcomes.ids, outcomes.images, lenient=lenient)
    if found.all():
        return outcomes
    if not found.any():
        raise InvalidArgumentError("the images of every query are missing")
    print(f"arms: {printable(left_out(outcomes.ids, found))}", file=sys.stderr)
    return outcomes.select(found)


def _check_outputs(html: Path | None, vectors: Path | None, inputs: list[Path]) -> None:
    """Say before the work what would keep its results from being written."""
    for path in (html, vectors):
        if path is not None:
            check_output(path, inputs)
    if html is not None and vectors is not None and html.resolve() == vectors.resolve():
        raise InvalidArgumentError(
            f"{vectors}: is the file of --html and of --vectors: name two files to write"
        )
    if html is not None:
        need_matplotlib()


def _check_baselines(router: Router, embeddings: _Seen) -> None:
    """Say before the work what the baselines lack."""
    from arms.encoded import embedding_width
    from arms.evaluation.baselines.baseline import scikit_learn

    scikit_learn("linear_model")
    if embeddings is not _Seen.TEXT and not embedding_width(router):
        raise InvalidArgumentError(
            f"--embeddings {embeddings}: this router has no image encoder; text is what it sees"
        )


def _scored(router: Router, outcomes: Outcomes, exact: bool, what: str) -> Scored:
    from arms.evaluation.scoring import score_queries

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    # Only where somebody watches: a log would fill with bars.
    with Progress(
        *columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
    ) as progress:
        task = progress.add_task(what, total=len(outcomes))
        return score_queries(
            router,
            outcomes,
            exact=exact,
            progress=lambda done: progress.update(task, completed=done),
        )


def _baselines(
    training: Outcomes, known: Scored, scored: Scored, embeddings: _Seen, seed: int
) -> dict[str, Floats]:
    from arms.evaluation.baselines import default_baselines, fit_predict

    def seen(one: Scored) -> Floats:
        parts = {
            _Seen.TEXT: [one.questions],
            _Seen.IMAGE: [one.images],
            _Seen.BOTH: [one.questions, one.images],
        }
        return np.concatenate([_unit(part) for part in parts[embeddings]], axis=1)

    return fit_predict(default_baselines(seed), training, seen(known), seen(scored))


def _unit(vectors: Floats) -> Floats:
    """Bring text and image to one length, so that neither drowns the other."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths == 0, 1, lengths))


def _save_report(path: Path, evaluation: Evaluation) -> None:
    from arms.evaluation.report import html_report

    with replacing(path) as aside:
        aside.write_text(html_report(evaluation), encoding="utf-8")


def _save_vectors(path: Path, outcomes: Outcomes, scored: Scored) -> None:
    """Write what `arms plot projection` reads: the vectors, and what to colour them by."""
    chosen = np.array(outcomes.models)[scored.confidences.argmax(axis=1)]
    with replacing(path) as aside, aside.open("wb") as file:
        np.savez_compressed(
            file,
            question=scored.questions.astype(np.float32),
            image=scored.images.astype(np.float32),
            fused=scored.fused.astype(np.float32),
            gate=scored.gate.astype(np.float32),
            id=outcomes.ids,
            vlm=chosen,
            task=outcomes.tasks,
            language=outcomes.languages,
            benchmark=outcomes.benchmarks,
        )
