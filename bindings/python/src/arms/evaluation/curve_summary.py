"""The cost-quality curves of several routers, summed up with standard errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from arms.evaluation.bootstrap import Bootstrap, Estimate
from arms.evaluation.cost_quality import (
    Curve,
    aiq,
    cost_quality_curve,
    nauc,
    peak,
    quality_neutral_cost,
    shared_range,
)
from arms.evaluation.outcomes import Floats, Outcomes
from arms.evaluation.references import single_model, strongest_model

__all__ = ["CurveSummary", "curve_summaries"]


@dataclass(frozen=True)
class CurveSummary:
    """A router's cost-quality curve; the metrics are defined in `arms.evaluation.cost_quality`.

    Parameters
    ----------
    router
        Its name.
    nauc, nauc_shared
        Over its own range of costs, and over the range that all routers share.
    peak
        Ps.
    qnc
        By the strongest single model, the same as in the tables; `None` when its accuracy is never
        reached, see `reaches`.
    reaches
        Whether it is.
    aiq
        Up to the cost of the dearest model.
    lambdas, cost, accuracy
        The curve. The last lambda is infinite and written as `None`.
    """

    router: str
    nauc: Estimate
    nauc_shared: Estimate
    peak: Estimate
    qnc: Estimate
    reaches: bool
    aiq: Estimate
    lambdas: list[float | None]
    cost: list[float]
    accuracy: list[float]


def curve_summaries(
    outcomes: Outcomes,
    scores: Mapping[str, Floats],
    bootstrap: Bootstrap,
    *,
    prices: Floats | None = None,
    strongest: int | None = None,
) -> list[CurveSummary]:
    """Trace and sum up the curve of each router; none, unless all costs and outcomes allow it.

    Parameters
    ----------
    outcomes
        Of the queries.
    scores
        ``[queries, models]`` by the name of the router.
    bootstrap
        Over the same queries.
    prices
        As of `cost_quality_curve`.
    strongest
        The column of the model that QNC compares with; by default the most accurate one of these
        queries, which is known in hindsight.
    """
    if not outcomes.priced or not outcomes.known.any(axis=1).all():
        return []
    curves = {
        name: cost_quality_curve(outcomes, values, prices=prices) for name, values in scores.items()
    }
    curves = {name: curve for name, curve in curves.items() if np.isfinite(curve.accuracy).all()}
    between = shared_range([(curve.cost, curve.accuracy) for curve in curves.values()])
    largest = float(outcomes.costs.mean(axis=0).max())
    single = single_model(outcomes, strongest_model(outcomes) if strongest is None else strongest)
    single_means = _means(single.correct[:, None], single.cost[:, None], bootstrap)

    def summary(name: str, curve: Curve) -> CurveSummary:
        cost, accuracy = _means(curve.correct, curve.spent, bootstrap)

        def estimate(metric: Callable[[Floats, Floats, float, float], float]) -> Estimate:
            """Apply a metric to the sample, which is row 0, and to every replicate."""
            values = np.array(
                [
                    metric(x, y, float(single_cost[0]), float(single_accuracy[0]))
                    for x, y, single_cost, single_accuracy in zip(
                        cost, accuracy, *single_means, strict=True
                    )
                ]
            )
            value = float(values[0])
            if not np.isfinite(value):
                return Estimate(None, None)
            return Estimate(value, bootstrap.error(values[1:]))

        qnc = estimate(lambda x, y, c, a: quality_neutral_cost(x, y, a, c))
        shared = Estimate(None, None)
        if between is not None:
            shared = estimate(lambda x, y, _c, _a: nauc(x, y, between))
        return CurveSummary(
            name,
            estimate(lambda x, y, _c, _a: nauc(x, y)),
            shared,
            estimate(lambda _x, y, _c, _a: peak(y)),
            qnc,
            qnc.value is not None,
            estimate(lambda x, y, _c, _a: aiq(x, y, largest)),
            [float(value) if np.isfinite(value) else None for value in curve.lambdas],
            curve.cost.tolist(),
            curve.accuracy.tolist(),
        )

    return [summary(name, curve) for name, curve in curves.items()]


def _means(correct: Floats, spent: Floats, bootstrap: Bootstrap) -> tuple[Floats, Floats]:
    """Return cost and accuracy, ``[1 + replicates, points]``; the sample's own come first."""
    known = ~np.isnan(correct)
    columns = np.concatenate(
        [np.where(known, correct, 0), known.astype(np.float64), spent, np.ones_like(spent)], axis=1
    )
    sums = np.concatenate([columns.sum(axis=0)[None], bootstrap.sums(columns)])
    right, counts, dollars, queries = np.split(sums, 4, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return dollars / queries, np.nan_to_num(right / counts)
