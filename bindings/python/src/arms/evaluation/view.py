"""All metrics over one selection of queries: the full one, or those that some model answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from arms.evaluation.bootstrap import Bootstrap, Estimate
from arms.evaluation.breakdown import Breakdown, breakdowns
from arms.evaluation.calibration import Calibration, calibration, expected_calibration_error
from arms.evaluation.classification import LabelMetrics, label_metrics
from arms.evaluation.curve_summary import CurveSummary, curve_summaries
from arms.evaluation.outcomes import Floats, Outcomes
from arms.evaluation.paradox import paradox_matrix
from arms.evaluation.rank_score import rank_score
from arms.evaluation.references import SingleChoices, oracle, random_choice, single_model
from arms.evaluation.selection import Routed, choose, routed

__all__ = ["ModelResult", "RouterKind", "RouterResult", "View", "is_reference", "measured"]

RouterKind: TypeAlias = Literal["router", "baseline", "reference"]

ORACLE: Final = "oracle"
RANDOM: Final = "random"
MEAN_PER_TASK: Final = "mean per task"
STRONGEST: Final = "strongest ("
"""How the name begins, which goes on with that of the model; so of `CHEAPEST`."""
CHEAPEST: Final = "cheapest ("


@dataclass(frozen=True)
class RouterResult:
    """A way of choosing, and what it reached.

    Parameters
    ----------
    name
        How tables call it.
    kind
        "router" is the one that is evaluated.
    em
        Exact match: the share of the queries that the chosen model answers.
    known
        Queries where the chosen model's outcome is known, over which `em` is taken.
    cost
        US dollars a query; `None` when unknown.
    rank_score
        `None` when not defined.
    shares
        The share of the queries that each model got; `None` for a random choice.
    """

    name: str
    kind: RouterKind
    em: Estimate
    known: int
    cost: float | None
    rank_score: float | None
    shares: dict[str, float] | None


@dataclass(frozen=True)
class ModelResult:
    """A single model.

    Parameters
    ----------
    name
        The model.
    em
        The share of its known outcomes that are right.
    known
        How many are known.
    cost, latency
        Means in US dollars and milliseconds; `None` when unknown.
    ece
        The expected calibration error of the router's confidences in this model.
    """

    name: str
    em: Estimate
    known: int
    cost: float | None
    latency: float | None
    ece: float | None


@dataclass(frozen=True)
class View:
    """What was measured over a selection of queries.

    Parameters
    ----------
    queries, groups
        How many there are.
    labels, calibration
        Of the evaluated router, over all pairs of query and model.
    routers
        The evaluated one first.
    models
        In the order of the data.
    paradox
        The share of the row model's errors that the column model answers; `None` where undefined.
    curves
        Of the evaluated router, the baselines and the means per task; empty when a cost is unknown.
    breakdowns
        By task, language and benchmark.
    """

    queries: int
    groups: int
    labels: LabelMetrics
    calibration: Calibration
    routers: list[RouterResult]
    models: list[ModelResult]
    paradox: list[list[float | None]]
    curves: list[CurveSummary]
    breakdowns: list[Breakdown]


def measured(
    outcomes: Outcomes,
    router: tuple[str, Floats],
    learned: Mapping[str, Floats],
    singles: SingleChoices,
    prices: Floats,
    bootstrap: Bootstrap,
    bins: int,
) -> View:
    """Measure a router, and all that it is compared with, on some queries.

    Parameters
    ----------
    outcomes
        Of these queries.
    router
        The name and the confidences, ``[queries, models]``, of the evaluated router.
    learned
        Scores of the others by name, `MEAN_PER_TASK` among them.
    singles
        The models to choose always.
    prices
        ``[models]``: what routers choose by.
    bootstrap
        Over the same queries.
    bins
        Of the reliability diagram.
    """
    name, confidences = router
    scores = {name: confidences, **learned}
    results = {key: routed(outcomes, choose(value, prices)) for key, value in scores.items()}
    kinds: dict[str, RouterKind] = dict.fromkeys(learned, "baseline")
    kinds[name] = "router"
    references = _references(outcomes, singles)
    rows = [_result(outcomes, bootstrap, key, value, kinds[key]) for key, value in results.items()]
    rows += [_result(outcomes, bootstrap, k, v, "reference") for k, v in references.items()]
    correct = {key: value.correct for key, value in (results | references).items()}
    return View(
        len(outcomes),
        bootstrap.group_count,
        label_metrics(confidences, outcomes.labels, bootstrap),
        calibration(confidences, outcomes.labels, bootstrap, bins),
        rows,
        [
            _model(outcomes, bootstrap, confidences, column)
            for column in range(len(outcomes.models))
        ],
        [[_defined(v) for v in row] for row in paradox_matrix(outcomes.labels).tolist()],
        curve_summaries(outcomes, scores, bootstrap, prices=prices, strongest=singles.strongest),
        breakdowns(outcomes, correct, replicates=bootstrap.replicates, seed=bootstrap.seed),
    )


def _references(outcomes: Outcomes, singles: SingleChoices) -> dict[str, Routed]:
    strongest, cheapest = singles
    references = {
        ORACLE: oracle(outcomes),
        f"{STRONGEST}{outcomes.models[strongest]})": single_model(outcomes, strongest),
    }
    if cheapest is not None and outcomes.priced:
        references[f"{CHEAPEST}{outcomes.models[cheapest]})"] = single_model(outcomes, cheapest)
    references[RANDOM] = random_choice(outcomes)
    return references


def is_reference(name: str) -> bool:
    """Whether the tables call a reference so, or the means per task."""
    return name in (ORACLE, RANDOM, MEAN_PER_TASK) or name.startswith((STRONGEST, CHEAPEST))


def _result(
    outcomes: Outcomes, bootstrap: Bootstrap, name: str, result: Routed, kind: RouterKind
) -> RouterResult:
    em = bootstrap.mean(result.correct)
    cost = float(result.cost.mean()) if outcomes.priced else None
    score = None
    if cost is not None and em.value is not None:
        prices = outcomes.costs.mean(axis=0)
        score = _defined(float(rank_score(em.value, cost, prices.min(), prices.max())))
    shares = None
    if result.choices is not None:
        counts = np.bincount(result.choices, minlength=len(outcomes.models)) / len(outcomes)
        shares = dict(zip(outcomes.models, counts.tolist(), strict=True))
    known = int((~np.isnan(result.correct)).sum())
    return RouterResult(name, kind, em, known, cost, score, shares)


def _model(
    outcomes: Outcomes, bootstrap: Bootstrap, confidences: Floats, column: int
) -> ModelResult:
    labels = outcomes.labels[:, column]
    return ModelResult(
        outcomes.models[column],
        bootstrap.mean(labels),
        int((~np.isnan(labels)).sum()),
        _defined(float(outcomes.costs[:, column].mean())),
        _defined(float(outcomes.latencies[:, column].mean())),
        _defined(expected_calibration_error(confidences[:, column], labels)),
    )


def _defined(value: float) -> float | None:
    return value if np.isfinite(value) else None
