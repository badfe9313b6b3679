"""The threshold cascade over two pools, on scores (the paper's Algorithm 1 and Fig. 7b)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from arms.evaluation.bootstrap import Bootstrap, Estimate
from arms.evaluation.classification import LabelMetrics, label_metrics
from arms.evaluation.outcomes import Booleans, Choices, Floats, Outcomes
from arms.evaluation.selection import routed

__all__ = ["THETAS", "ThetaPoint", "cascade_choices", "theta_sweep"]

THETAS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""The thresholds of the paper's Fig. 7b."""


@dataclass(frozen=True)
class ThetaPoint:
    """The cascade at one threshold.

    Parameters
    ----------
    theta
        Stay in the first pool above this confidence.
    labels
        Over the pairs that were scored: of a query that stays, the first pool's alone.
    em
        Exact match of the chosen models.
    cost
        US dollars a query; `None` when unknown.
    second
        Share of the queries for which the second router was asked.
    """

    theta: float
    labels: LabelMetrics
    em: Estimate
    cost: float | None
    second: float


def cascade_choices(scores: Floats, second: Booleans, theta: float) -> tuple[Choices, Booleans]:
    """Choose by Algorithm 1.

    Parameters
    ----------
    scores
        Confidences of both pools, ``[queries, models]``.
    second
        ``[models]``: which columns are of the second pool.
    theta
        Stay in the first pool when its best confidence is above.

    Returns
    -------
    tuple
        The chosen columns, and the queries for which the second pool was compared, ``[queries]``.
    """
    first = np.where(second, -np.inf, scores)
    asked = first.max(axis=1) <= theta
    return np.where(asked, scores.argmax(axis=1), first.argmax(axis=1)), asked


def theta_sweep(
    outcomes: Outcomes,
    scores: Floats,
    second: Booleans,
    bootstrap: Bootstrap,
    thetas: Sequence[float] = THETAS,
) -> list[ThetaPoint]:
    """Measure the cascade at several thresholds.

    Parameters
    ----------
    outcomes, scores
        Of the same queries and models.
    second
        ``[models]``: which columns are of the second pool.
    bootstrap
        Over the same queries.
    thetas
        Thresholds, each from 0 to 1.
    """
    points = []
    for theta in thetas:
        choices, asked = cascade_choices(scores, second, theta)
        result = routed(outcomes, choices)
        scored = ~second[None, :] | asked[:, None]
        points.append(
            ThetaPoint(
                float(theta),
                label_metrics(scores, np.where(scored, outcomes.labels, np.nan), bootstrap),
                bootstrap.mean(result.correct),
                float(result.cost.mean()) if outcomes.priced else None,
                float(asked.mean()),
            )
        )
    return points
