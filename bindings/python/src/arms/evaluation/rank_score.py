"""RankScore: accuracy and cheapness in one number (VL-RouterBench)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from arms.evaluation.outcomes import Floats

__all__ = ["rank_score"]


def rank_score(
    accuracy: ArrayLike, cost: ArrayLike, cheapest: float, dearest: float, b: float = 0.1
) -> Floats:
    """Return ``(1 + b) A C / (b A + C)``, a weighted harmonic mean of accuracy and cheapness.

    ``C = clip((log2 dearest - log2 cost) / (log2 dearest - log2 cheapest), 0, 1)``.

    Parameters
    ----------
    accuracy
        A, from 0 to 1; any shape.
    cost
        US dollars a query; of the same shape.
    cheapest, dearest
        The mean costs of the cheapest and of the dearest model.
    b
        Smaller values weigh accuracy more.

    Returns
    -------
    ndarray
        From 0 to 1. NaN where it is not defined: costs of zero have no logarithm, and models of
        one price have no order.
    """
    a, dollars = np.asarray(accuracy, np.float64), np.asarray(cost, np.float64)
    if not 0 < cheapest < dearest:
        return np.full(np.broadcast_shapes(a.shape, dollars.shape), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        cheapness = np.clip(
            (np.log2(dearest) - np.log2(dollars)) / (np.log2(dearest) - np.log2(cheapest)), 0, 1
        )
        score = (1 + b) * a * cheapness / (b * a + cheapness)
    # Neither accurate nor cheap is 0/0, and the limit is 0.
    return np.where((a == 0) & (cheapness == 0), 0.0, score)
