"""The tables of a report, as text: what the terminal and the HTML file have in common."""

from __future__ import annotations

from dataclasses import dataclass

from arms.evaluation.bootstrap import Estimate
from arms.evaluation.evaluation import Evaluation
from arms.evaluation.view import ORACLE, STRONGEST, View

__all__ = ["Section", "sections"]

_UNKNOWN = "n/a"


@dataclass(frozen=True)
class Section:
    """A table with its title; the first column is text, the others are numbers.

    Parameters
    ----------
    title
        What it shows, with units.
    columns, rows
        Cells as text.
    strong
        Rows to stress.
    """

    title: str
    columns: list[str]
    rows: list[list[str]]
    strong: frozenset[int] = frozenset()


def sections(evaluation: Evaluation) -> list[Section]:
    """Return the tables of an evaluation that have something to show."""
    view, filtered = evaluation.all, evaluation.answerable
    tables = [
        _routers(view, filtered),
        _labels(view, filtered),
        _curves(view),
        _models(view, filtered),
        _paradox(view),
        *_breakdowns(view, evaluation.router),
        _thetas(evaluation),
        _experts(evaluation),
    ]
    return [table for table in tables if table.rows]


def _routers(view: View, filtered: View | None) -> Section:
    em = {} if filtered is None else {result.name: result.em for result in filtered.routers}
    rows = [
        [
            result.name,
            _percent(result.em),
            _percent(em.get(result.name)),
            _thousand(result.cost),
            _number(result.rank_score),
        ]
        for result in view.routers
    ]
    title = "Exact match (%, with standard error), and US dollars a thousand queries"
    columns = ["router", "EM", "EM, answerable", "cost", "RankScore"]
    return Section(title, columns, rows, frozenset({0}))


def _labels(view: View, filtered: View | None) -> Section:
    views = [view] if filtered is None else [view, filtered]
    names = {"accuracy": "accuracy", "precision": "precision", "recall": "recall", "f1": "F1"}
    rows = [
        [shown, *(_percent(getattr(one.labels, field)) for one in views)]
        for field, shown in names.items()
    ]
    rows += [["ECE", *(_percent(one.calibration.ece) for one in views)]]
    rows += [["Brier score", *(_estimate(one.calibration.brier) for one in views)]]
    columns = ["metric", "all queries", "answerable"][: len(views) + 1]
    return Section("Labels and calibration (%, with standard error)", columns, rows)


def _curves(view: View) -> Section:
    rows = [
        [
            curve.router,
            _percent(curve.nauc),
            _percent(curve.nauc_shared),
            _percent(curve.peak),
            _estimate(curve.qnc) if curve.reaches else "never",
            _percent(curve.aiq),
        ]
        for curve in view.curves
    ]
    columns = ["router", "nAUC", "nAUC, shared range", "Ps", "QNC", "AIQ"]
    title = "Cost and quality over lambda (%; QNC is a ratio of costs)"
    return Section(title, columns, rows, frozenset({0}))


def _models(view: View, filtered: View | None) -> Section:
    em = {} if filtered is None else {model.name: model.em for model in filtered.models}
    rows = [
        [
            model.name,
            _percent(model.em),
            _percent(em.get(model.name)),
            _thousand(model.cost),
            _UNKNOWN if model.latency is None else f"{model.latency:.0f}",
            _UNKNOWN if model.ece is None else f"{100 * model.ece:.1f}",
        ]
        for model in view.models
    ]
    title = "Single models (%; US dollars a thousand queries; milliseconds)"
    columns = ["model", "EM", "EM, answerable", "cost", "latency", "ECE of the router"]
    return Section(title, columns, rows)


def _paradox(view: View) -> Section:
    """Name each model in its row, and only number it in its column: names are long."""
    rows = [
        [
            f"{number} {model.name}",
            *("" if share is None else f"{100 * share:.0f}" for share in shares),
        ]
        for number, (model, shares) in enumerate(zip(view.models, view.paradox, strict=True), 1)
    ]
    columns = ["wrong: this model", *(str(number) for number in range(1, len(rows) + 1))]
    return Section("The paradox: errors of one model that another answers (%)", columns, rows)


def _breakdowns(view: View, router: str) -> list[Section]:
    """Show the router, the best rival, the strongest model and the oracle in each part."""
    rivals = [result for result in view.routers if result.kind == "baseline"]
    rivals = sorted(rivals, key=lambda result: -(result.em.value or 0))[:1]
    references = [result.name for result in view.routers if result.kind == "reference"]
    fixed = [one for one in references if one.startswith((STRONGEST, ORACLE))]
    names = [router, *(rival.name for rival in rivals), *reversed(fixed)]
    tables = []
    for by in ("task", "language", "benchmark"):
        parts = [part for part in view.breakdowns if part.by == by]
        rows = [
            [part.value or "(none)", f"{part.queries}", *(_percent(part.em.get(n)) for n in names)]
            for part in parts
        ]
        tables.append(Section(f"Exact match by {by} (%)", [by, "queries", *names], rows))
    return tables


def _thetas(evaluation: Evaluation) -> Section:
    rows = [
        [
            f"{point.theta:g}",
            _percent(point.em),
            _percent(point.labels.accuracy),
            _percent(point.labels.f1),
            _thousand(point.cost),
            f"{100 * point.second:.1f}",
        ]
        for point in evaluation.thetas or []
    ]
    columns = ["theta", "EM", "accuracy", "F1", "cost", "second router asked"]
    return Section("The threshold cascade (%; US dollars a thousand queries)", columns, rows)


def _experts(evaluation: Evaluation) -> Section:
    load = evaluation.experts
    if load is None:
        return Section("", [], [])
    columns = ["queries", *(f"expert {number}" for number in range(len(load.mean)))]
    rows = [["all", *(f"{100 * value:.1f}" for value in load.mean)]]
    if len(load.by_task) > 1:
        for task, values in load.by_task.items():
            rows.append([task or "(none)", *(f"{100 * value:.1f}" for value in values)])
    return Section("Expert load: the mean gate (%)", columns, rows)


def _percent(estimate: Estimate | None) -> str:
    if estimate is None or estimate.value is None:
        return _UNKNOWN
    error = "" if estimate.error is None else f" ± {100 * estimate.error:.1f}"
    return f"{100 * estimate.value:.1f}{error}"


def _estimate(estimate: Estimate) -> str:
    if estimate.value is None:
        return _UNKNOWN
    return f"{estimate.value:.3f}" + ("" if estimate.error is None else f" ± {estimate.error:.3f}")


def _number(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.3f}"


def _thousand(cost: float | None) -> str:
    return _UNKNOWN if cost is None else f"{1000 * cost:.3g}"
