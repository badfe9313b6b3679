"""The plots: what they draw, in which form, and what is no business of theirs."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from arms import plots
from arms.errors import InvalidArgumentError, UnsupportedError
from arms.evaluation import (
    Bootstrap,
    CurveSummary,
    Estimate,
    ExpertLoad,
    LabelMetrics,
    ModelResult,
    Outcomes,
    ThetaPoint,
    calibration,
    evaluate,
)
from arms.plots.evaluation_plots import em_of
from arms.plots.style import short


def sure(value: float | None, error: float | None = 0.01) -> Estimate:
    return Estimate(value, error)


def labels(value: float) -> LabelMetrics:
    return LabelMetrics(*(sure(value + 0.01 * place) for place in range(4)))


def curve(name: str, lift: float = 0.0) -> CurveSummary:
    estimate = sure(0.5)
    cost, accuracy = [0.003, 0.001, 0.002], [0.7 + lift, 0.4 + lift, 0.3 + lift]
    lambdas: list[float | None] = [0.0, None, 1.0]
    summary = (estimate, estimate, estimate, estimate, True, estimate, lambdas)
    return CurveSummary(name, *summary, cost, accuracy)


def model(name: str, cost: float | None, em: float) -> ModelResult:
    return ModelResult(name, sure(em), 10, cost, None, None)


MODELS = [model("cheap", 0.0002, 0.3), model("dear", 0.006, 0.6), model("beaten", 0.003, 0.2)]
THETAS = [ThetaPoint(theta, labels(theta / 2), sure(0.6), 0.1, theta) for theta in (0.5, 1.0)]
CONFIDENCES = np.random.default_rng(0).uniform(size=(60, 3))
RELIABILITY = calibration(
    CONFIDENCES,
    (CONFIDENCES > 0.4).astype(np.float64),
    Bootstrap(np.array([str(row) for row in range(60)]), replicates=20),
)
SHARES = [0.2, 0.6, 1.0]
LOAD = ExpertLoad([0.7, 0.27, 0.03], [1, 0, 0], {"x": [0.7, 0.27, 0.03], "": [1, 0, 0]}, 0.6)
CLOUD = np.random.default_rng(0).normal(size=(30, 2))

DRAWN: dict[str, Callable[[], Figure]] = {
    "em": lambda: plots.em_bars({"ID": {"a": sure(0.5), "oracle": sure(0.9)}}, "a"),
    "paradox": lambda: plots.paradox_matrix(["a", "b"], [[np.nan, 0.3], [0.8, np.nan]]),
    "reliability": lambda: plots.reliability_diagram(RELIABILITY),
    "frontier": lambda: plots.cost_quality_frontier([curve("ARMS"), curve("kNN", -0.1)], MODELS),
    "experts": lambda: plots.expert_load(LOAD),
    "theta": lambda: plots.theta_sweep(THETAS),
    "data-amount": lambda: plots.data_amount(SHARES, {"EM": [0.5, 0.7, 0.6]}),
    "epochs": lambda: plots.epochs([1, 2, 3], {"EM": [0.5, 0.7, 0.6]}),
    "strategies": lambda: plots.training_strategies(
        SHARES,
        {"incremental": [sure(0.5)] * 3, "independent": [sure(0.6)] * 3},
        {"incremental": [labels(0.5)] * 3, "independent": [labels(0.6)] * 3},
    ),
    "projection": lambda: plots.projection(CLOUD, np.array(["a", "b", "c"] * 10), "model chosen"),
}


@functools.cache
def drawn(name: str) -> Figure:
    return DRAWN[name]()


def axes_of(name: str) -> Axes:
    return drawn(name).axes[0]


def texts_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(mpl.text.Text)]


def rectangles(axes: Axes) -> list[Rectangle]:
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


def bars_of(axes: Axes) -> list[list[float]]:
    held = [c for c in axes.containers if isinstance(c, BarContainer)]
    return [[patch.get_height() for patch in container] for container in held]


@pytest.mark.parametrize("name", DRAWN)
@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_each_can_be_written(name: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"plot.{kind}"
    plots.save(drawn(name), path)
    beginning = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[kind]
    assert path.read_bytes().startswith(beginning)
    if kind == "png":
        with Image.open(path) as image:
            grey = np.asarray(image.convert("L"))
        assert (grey < 128).any()
        # Nothing is cut off: the outermost pixels are paper.
        for edge in (grey[0], grey[-1], grey[:, 0], grey[:, -1]):
            assert edge.min() == 255


@pytest.mark.parametrize("name", DRAWN)
def test_no_text_lies_outside_the_paper(name: str) -> None:
    figure = drawn(name)
    width, height = figure.canvas.get_width_height()
    for text in figure.findobj(mpl.text.Text):
        assert isinstance(text, mpl.text.Text)
        if text.get_text().strip() and text.get_visible():
            box = text.get_window_extent()
            inside = box.x0 > -1 and box.y0 > -1 and box.x1 < width + 1 and box.y1 < height + 1
            # Ticks beyond the limits of an axis have labels that are not drawn.
            hidden = text in [
                label
                for axes in figure.axes
                for axis in (axes.xaxis, axes.yaxis)
                for tick in axis.get_major_ticks() + axis.get_minor_ticks()
                for label in (tick.label1, tick.label2)
            ]
            assert inside or hidden, text.get_text()


@pytest.mark.parametrize("name", DRAWN)
def test_the_same_figure_has_the_same_bytes(name: str) -> None:
    assert plots.svg(DRAWN[name]()) == plots.svg(DRAWN[name]())


def test_matplotlibs_own_settings_stay() -> None:
    before = dict(mpl.rcParams)
    plots.png(DRAWN["theta"]())
    assert dict(mpl.rcParams) == before
    assert (
        "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
    )


def test_bars_are_exact_match_in_percent_and_the_best_is_bold() -> None:
    results = {
        "ID": {"a": sure(0.5), "b": sure(0.6), "c": sure(0.4), "oracle": sure(0.9)},
        "OOD": {"a": sure(0.3), "b": sure(None, None), "oracle": sure(0.8)},
    }
    figure = plots.em_bars(results, "b")
    axes = figure.axes[0]
    widths = sorted(patch.get_width() for patch in rectangles(axes))
    assert widths == pytest.approx([30, 40, 50, 60, 80, 90])
    bold = [text.get_text() for text in axes.texts if text.get_fontweight() == "bold"]
    # The oracle cannot be beaten, and takes no one's place.
    assert sorted(bold) == ["30.0", "60.0"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "c", "oracle"]


def test_the_paradox_has_a_number_a_pair() -> None:
    axes = axes_of("paradox")
    assert sorted(text.get_text() for text in axes.texts) == ["30", "80"]


def test_reliability_has_a_point_a_filled_bin() -> None:
    axes = axes_of("reliability")
    x, y = axes.lines[1].get_data()
    filled = [entry for entry in RELIABILITY.bins if entry.count]
    means = np.array([(entry.confidence, entry.accuracy.value) for entry in filled], np.float64)
    np.testing.assert_allclose(np.column_stack([x, y]).astype(np.float64), means)
    counts = [patch.get_height() for patch in rectangles(drawn("reliability").axes[1])]
    assert counts == [entry.count for entry in RELIABILITY.bins]


def test_the_frontier_is_of_pareto_points_and_names_models_that_none_beats() -> None:
    axes = axes_of("frontier")
    x, y = axes.lines[0].get_data()
    np.testing.assert_allclose(np.asarray(x, np.float64), [1, 3])
    np.testing.assert_allclose(np.asarray(y, np.float64), [40, 70])
    assert [text.get_text() for text in axes.texts] == ["cheap", "dear"]
    assert axes.get_xscale() == "log"
    assert [line.get_marker() for line in axes.lines] == ["None", "None", "o"]


def test_the_frontier_shows_what_is_free_and_what_is_never_right() -> None:
    models = [*MODELS, model("free", 0.0, 0.1), model("wrong", 0.001, 0.0), model("?", None, 0.5)]
    axes = plots.cost_quality_frontier([curve("ARMS")], models).axes[0]
    x, y = axes.lines[-1].get_data()
    np.testing.assert_allclose(np.asarray(x, np.float64), [0.2, 6, 3, 0, 1])
    np.testing.assert_allclose(np.asarray(y, np.float64), [30, 60, 20, 10, 0])
    assert axes.get_xscale() == "linear"


def test_a_curve_of_one_point_is_seen() -> None:
    lone = replace(curve("ARMS"), cost=[0.0, 0.002], accuracy=[0.5, 0.4])
    axes = plots.cost_quality_frontier([lone], MODELS).axes[0]
    assert len(np.asarray(axes.lines[0].get_xdata())) == 1
    assert axes.lines[0].get_marker() == "D"
    assert axes.get_xscale() == "linear"


def test_the_load_of_each_row_is_the_whole() -> None:
    axes = axes_of("experts")
    # Expert by expert, each with a bar a row.
    rows = np.array([bar.get_width() for bar in rectangles(axes)]).reshape(3, 3).T
    np.testing.assert_allclose(rows.sum(axis=1), 100)
    np.testing.assert_allclose(rows[0], [70, 27, 3])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["all queries", "x", "(none)"]


def test_theta_has_bars_lines_and_how_many_ask_on() -> None:
    axes = axes_of("theta")
    assert bars_of(axes)[0] == pytest.approx([60, 60])
    assert [line.get_label() for line in axes.lines if "best" in str(line.get_label())] == [
        "accuracy, best 50.0",
        "precision, best 51.0",
        "recall, best 52.0",
        "F1, best 53.0",
    ]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.5\n50 %", "1\n100 %"]


def test_training_curves_mark_their_best() -> None:
    axes = axes_of("data-amount")
    x, y = axes.lines[0].get_data()
    np.testing.assert_allclose(np.asarray(x, np.float64), [20, 60, 100])
    np.testing.assert_allclose(np.asarray(y, np.float64), [50, 70, 60])
    assert axes.lines[0].get_label() == "EM, best 70.0"
    assert float(np.asarray(axes.lines[1].get_xdata())[0]) == 60
    unknown = plots.epochs([1, 2], {"EM": [np.nan, np.nan]})
    assert unknown.axes[0].lines[0].get_label() == "EM"


def test_a_candidate_that_is_called_as_a_router_keeps_its_bar() -> None:
    outcomes = Outcomes(models=("random", "x"), labels=np.array([[0.0, 1.0]] * 4))
    ems = em_of(evaluate(outcomes, np.tile([0.9, 0.1], (4, 1)), replicates=5).all)
    assert {name: em.value for name, em in ems.items()} == {
        "random (model)": 0,
        "x": 1,
        "ARMS": 0,
        "oracle": 1,
        "random": 0.5,
    }


def test_strategies_stand_side_by_side() -> None:
    axes = axes_of("strategies")
    assert bars_of(axes) == [pytest.approx([50] * 3), pytest.approx([60] * 3)]
    told = texts_of(drawn("strategies"))
    assert "recall, independent" in told
    assert "60.0" in told


def test_rare_classes_are_drawn_together() -> None:
    classes = np.array([f"class {number:02}" for number in range(25)] + ["class 00"] * 5)
    legend = plots.projection(CLOUD, classes, "benchmark").legends[0]
    names = [text.get_text() for text in legend.get_texts()]
    assert len(names) == 21
    assert (names[0], names[-1]) == ("class 00", "other")


def test_t_sne_keeps_neighbours_and_repeats_itself() -> None:
    generator = np.random.default_rng(0)
    centres = np.repeat(np.eye(3) * 20, 20, axis=0)
    vectors = centres + generator.normal(size=(60, 3))
    points = plots.project(vectors, perplexity=10, seed=1)
    assert points.shape == (60, 2)
    np.testing.assert_array_equal(points, plots.project(vectors, perplexity=10, seed=1))
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    assert (distances.argmin(axis=1) // 20 == np.arange(60) // 20).all()
    assert plots.project(vectors[:4]).shape == (4, 2)


def test_vectors_that_cannot_be_projected_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for vectors in (np.ones((3, 2)), np.ones(9), np.full((9, 2), np.nan)):
        with pytest.raises(InvalidArgumentError, match="at least 4 finite ones"):
            plots.project(vectors)
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(UnsupportedError, match="pip install"):
        plots.project(np.eye(5))


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must end in \.png, \.pdf or \.svg"):
        plots.save(drawn("em"), tmp_path / "plot.gif")


def test_the_name_may_be_a_text(tmp_path: Path) -> None:
    plots.save(drawn("em"), str(tmp_path / "plot.svg"))
    assert (tmp_path / "plot.svg").read_text().startswith("<?xml")


def test_names_are_text_whatever_they_hold() -> None:
    names = ["$x^2$", "模型", "a" * 60]
    shares = np.full((3, 3), 0.5)
    shown = texts_of(plots.paradox_matrix(names, shares))
    assert "$x^2$" in shown
    assert plots.png(plots.paradox_matrix(names, shares)).startswith(b"\x89PNG")
    assert short("a" * 60) == "a" * 18 + "…" + "a" * 9
    assert short("short") == "short"
