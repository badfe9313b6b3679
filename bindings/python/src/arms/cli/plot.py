"""``arms plot``: the paper's figures, from evaluations."""

from __future__ import annotations

import zipfile
import zlib
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import numpy as np
import typer

from arms import InvalidArgumentError
from arms._output import check_output
from arms.cli.runs import need_matplotlib

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from arms.evaluation import Evaluation

_Output: TypeAlias = Annotated[
    Path,
    typer.Option(
        "--output", "-o", help="The file to write: .png, .pdf or .svg.", show_default=False
    ),
]
_Evaluation: TypeAlias = Annotated[
    Path,
    typer.Argument(
        metavar="EVALUATION",
        help="What [bold]arms evaluate --json[/bold] printed.",
        show_default=False,
    ),
]
_Points: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        metavar="X=EVALUATION...",
        help="An evaluation of each run, with its place on the axis: 0.2=small.json 1=all.json.",
        show_default=False,
    ),
]


class _Vectors(StrEnum):
    FUSED = "fused"
    QUESTION = "question"
    IMAGE = "image"
    GATE = "gate"


class _Class(StrEnum):
    VLM = "vlm"
    BENCHMARK = "benchmark"
    TASK = "task"
    LANGUAGE = "language"


_HELP = {
    "em": "Exact match of models and routers (Fig. 5).",
    "paradox": "What one model gets wrong and another one right (Fig. 1).",
    "reliability": "Accuracy over confidence: whether the router is calibrated.",
    "frontier": "Exact match over cost, for each router.",
    "experts": "The load of the fusion experts.",
    "theta": "The threshold cascade over theta (Fig. 7b).",
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = typer.Typer(
        no_args_is_help=True,
        help="Draw a router at work: the paper's figures, from what [bold]arms evaluate[/bold] "
        "printed.\n\n  arms evaluate router.gguf m2.jsonl.gz --json > evaluation.json\n\n"
        "  arms plot paradox evaluation.json -o paradox.pdf",
    )
    for name, text in _HELP.items():
        commands.command(name, help=text)(_of_one(name))
    commands.command("data-amount")(data_amount)
    commands.command("epochs")(epochs)
    commands.command("strategies")(strategies)
    commands.command("projection")(projection)
    app.add_typer(commands, name="plot")


def _of_one(name: str) -> Any:
    """Return the command that draws one plot of one evaluation."""

    def command(evaluation: _Evaluation, output: _Output) -> None:
        _check(output)
        from arms.evaluation import read_evaluation
        from arms.plots.evaluation_plots import evaluation_plots

        plots = evaluation_plots(read_evaluation(evaluation))
        if name not in plots:
            raise InvalidArgumentError(
                f"{evaluation}: has no figures for {name!r}; it has them for {', '.join(plots)}"
            )
        _save(plots[name](), output)

    return command


def data_amount(points: _Points, output: _Output) -> None:
    """Accuracy, F1 and exact match over the share of the training data (Fig. 4a)."""
    _check(output)
    from arms import plots

    places, evaluations = _read_points(points)
    _save(plots.data_amount(places, _metrics(evaluations)), output)


def epochs(points: _Points, output: _Output) -> None:
    """Accuracy, F1 and exact match over the epochs of training (Fig. 4b and 4c)."""
    _check(output)
    from arms import plots

    places, evaluations = _read_points(points)
    _save(plots.epochs(places, _metrics(evaluations)), output)


def strategies(
    incremental: Annotated[
        list[str],
        typer.Option(help="X=EVALUATION of incremental training; repeat.", show_default=False),
    ],
    independent: Annotated[
        list[str],
        typer.Option(help="X=EVALUATION of independent training; repeat.", show_default=False),
    ],
    output: _Output,
) -> None:
    """Incremental against independent training over the share of the initial data (Fig. 7a).

    arms plot strategies --incremental 0.2=a.json --incremental 1=b.json
    --independent 0.2=c.json --independent 1=d.json -o strategies.pdf
    """
    _check(output)
    from arms import plots

    runs = {"incremental": _read_points(incremental), "independent": _read_points(independent)}
    places = runs["incremental"][0]
    if runs["independent"][0] != places:
        raise InvalidArgumentError("both strategies need an evaluation at the same places")
    drawn = plots.training_strategies(
        places,
        {name: [e.all.routers[0].em for e in found] for name, (_, found) in runs.items()},
        {name: [e.all.labels for e in found] for name, (_, found) in runs.items()},
    )
    _save(drawn, output)


def projection(
    vectors: Annotated[
        Path,
        typer.Argument(
            metavar="VECTORS",
            help="What [bold]arms evaluate --vectors[/bold] wrote.",
            show_default=False,
        ),
    ],
    output: _Output,
    of: Annotated[_Vectors, typer.Option(help="Which vectors.")] = _Vectors.FUSED,
    by: Annotated[_Class, typer.Option(help="What colours stand for; vlm: the chosen one.")] = (
        _Class.VLM
    ),
    perplexity: Annotated[float, typer.Option(min=2, help="Neighbours that count.")] = 30,
    seed: Annotated[int, typer.Option(min=0, help="Of the start.")] = 0,
) -> None:
    """Vectors of the queries in the plane, by t-SNE (Fig. 6)."""
    _check(output)
    from arms import plots

    try:
        with vectors.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            named = arrays.files
            held = {name: arrays[name] for name in (of, by) if name in named}
    except (ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InvalidArgumentError(f"{vectors}: not an .npz file of vectors: {error}") from error
    for name in (of, by):
        if name not in held:
            raise InvalidArgumentError(f"{vectors}: has no '{name}'; it has {', '.join(named)}")
    if held[by].shape != held[of].shape[:1]:
        raise InvalidArgumentError(f"{vectors}: '{by}' does not have one value a query")
    points = plots.project(held[of], perplexity=perplexity, seed=seed)
    label = "model chosen" if by is _Class.VLM else by
    _save(plots.projection(points, held[by].astype(np.str_), label), output)


def _read_points(points: list[str]) -> tuple[list[float], list[Evaluation]]:
    from arms.evaluation import read_evaluation

    read = []
    for point in points:
        place, separator, path = point.partition("=")
        try:
            x = float(place)
        except ValueError:
            x = float("nan")
        if not separator or not np.isfinite(x):
            raise InvalidArgumentError(f"{point!r}: expected X=EVALUATION, 0.2=small.json say")
        read.append((x, read_evaluation(Path(path))))
    read.sort(key=lambda entry: entry[0])
    return [x for x, _ in read], [evaluation for _, evaluation in read]


def _metrics(evaluations: list[Evaluation]) -> dict[str, list[float]]:
    estimates = {
        "accuracy": [e.all.labels.accuracy for e in evaluations],
        "F1": [e.all.labels.f1 for e in evaluations],
        "EM": [e.all.routers[0].em for e in evaluations],
    }
    return {
        name: [np.nan if value.value is None else value.value for value in values]
        for name, values in estimates.items()
    }


def _check(output: Path) -> None:
    """Say before the work what would keep a plot from being written."""
    need_matplotlib()
    from arms.plots.style import kind_of

    kind_of(output)
    check_output(output)


def _save(drawn: Figure, output: Path) -> None:
    from arms.plots import save

    save(drawn, output)
