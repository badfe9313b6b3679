"""What accuracy costs: the curve over lambda, and numbers that sum it up.

The metrics are those of MMR-Bench (nAUC, Ps, QNC) and RouterBench (AIQ), defined by the words that
stand beside each function. Costs are US dollars a query, linear, not logarithmic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arms._marshal import real_array
from arms.errors import InvalidArgumentError
from arms.evaluation.outcomes import Floats, Outcomes
from arms.evaluation.selection import choose

__all__ = [
    "Curve",
    "aiq",
    "cost_quality_curve",
    "lambda_grid",
    "nauc",
    "pareto_points",
    "peak",
    "quality_neutral_cost",
    "shared_range",
]


@dataclass(frozen=True, eq=False)
class Curve:
    """A router's cost and accuracy at each lambda.

    Parameters
    ----------
    lambdas
        ``[points]``, confidence a US dollar; the last is infinite: always the cheapest model.
    cost, accuracy
        ``[points]``, or ``[replicates, points]``.
    correct, spent
        ``[queries, points]``: what the means are of; `correct` is NaN where unknown.
    """

    lambdas: Floats
    cost: Floats
    accuracy: Floats
    correct: Floats
    spent: Floats


def lambda_grid(prices: ArrayLike, points: int = 97) -> Floats:
    """Return lambdas at which choices change: 0, a geometric grid, infinity.

    The grid lies between the lambda at which the largest difference in price is worth a thousandth
    of confidence, and that at which it is worth a thousand.

    Parameters
    ----------
    prices
        ``[models]`` in US dollars, `Outcomes.prices` say.
    points
        Of the geometric grid.

    Raises
    ------
    InvalidArgumentError
        If a price is not known.
    """
    known = real_array(prices, "prices")
    if not np.isfinite(known).all():
        raise InvalidArgumentError("prices must all be known")
    spread = float(known.max() - known.min())
    if spread == 0:
        return np.array([0.0, np.inf])
    return np.concatenate([[0.0], np.geomspace(1e-3, 1e3, points) / spread, [np.inf]])


def cost_quality_curve(
    outcomes: Outcomes,
    scores: ArrayLike,
    lambdas: ArrayLike | None = None,
    *,
    prices: ArrayLike | None = None,
) -> Curve:
    """Trace a router from its best answers to the cheapest model.

    It chooses by one price a model, and spends what each chosen answer did cost.

    Parameters
    ----------
    outcomes
        With all costs known.
    scores
        ``[queries, models]``.
    lambdas
        By default `lambda_grid`.
    prices
        ``[models]`` in US dollars, what it chooses by; by default `Outcomes.prices`.

    Raises
    ------
    InvalidArgumentError
        If a cost is not known.
    """
    prices = outcomes.prices if prices is None else prices
    grid = lambda_grid(prices) if lambdas is None else real_array(lambdas, "lambdas")
    rows = np.arange(len(outcomes))[:, None]
    choices = np.stack([choose(scores, prices, lambda_=value) for value in grid], axis=1)
    correct, spent = outcomes.labels[rows, choices], outcomes.costs[rows, choices]
    known = ~np.isnan(correct)
    with np.errstate(invalid="ignore"):
        accuracy = np.where(known, correct, 0).sum(axis=0) / known.sum(axis=0)
    return Curve(grid, spent.mean(axis=0), accuracy, correct, spent)


def pareto_points(cost: ArrayLike, accuracy: ArrayLike) -> tuple[Floats, Floats]:
    """Return the points that no other beats, both coordinates increasing.

    Parameters
    ----------
    cost, accuracy
        ``[points]``.

    Raises
    ------
    InvalidArgumentError
        If there are not as many of both, or none, or one is not finite.
    """
    x, y = _points(cost, accuracy)
    order = np.lexsort((-y, x))
    sorted_cost, sorted_accuracy = x[order], y[order]
    before = np.concatenate([[-np.inf], np.maximum.accumulate(sorted_accuracy)[:-1]])
    better = sorted_accuracy > before
    return sorted_cost[better], sorted_accuracy[better]


def shared_range(curves: list[tuple[ArrayLike, ArrayLike]]) -> tuple[float, float] | None:
    """Return the costs that the Pareto points of all curves span; `None` when there are none.

    Parameters
    ----------
    curves
        Pairs of cost and accuracy, ``[points]``. One of a single point spans nothing and is left
        out.
    """
    spans = [pareto_points(*curve)[0] for curve in curves]
    spans = [span for span in spans if len(span) > 1]
    if not spans:
        return None
    low, high = max(span[0] for span in spans), min(span[-1] for span in spans)
    return (float(low), float(high)) if low < high else None


def nauc(cost: ArrayLike, accuracy: ArrayLike, between: tuple[float, float] | None = None) -> float:
    """Return the normalised area under the curve: the mean accuracy over a range of costs.

    The trapezoids under the Pareto points, over the width of the range.

    Parameters
    ----------
    cost, accuracy
        ``[points]``.
    between
        The range; by default that of the Pareto points themselves. The curve is interpolated at its
        ends; beyond its dearest point it stays level, and below its cheapest nothing is bought.

    Returns
    -------
    float
        From 0 to 1; of a single point its accuracy.

    Raises
    ------
    InvalidArgumentError
        As of `pareto_points`.
    """
    x, y = pareto_points(cost, accuracy)
    if between is None:
        if len(x) == 1:
            return float(y[0])
        between = (float(x[0]), float(x[-1]))
    low, high = between
    inside = (x > max(low, x[0])) & (x < high)
    ends = np.array([max(low, x[0]), high])
    if ends[0] >= high:
        return 0.0
    grid = np.concatenate([ends[:1], x[inside], ends[1:]])
    return _trapezoid(np.interp(grid, x, y), grid) / (high - low)


def peak(accuracy: ArrayLike) -> float:
    """Return Ps, the curve's highest accuracy."""
    return float(real_array(accuracy, "accuracy").max())


def quality_neutral_cost(
    cost: ArrayLike, accuracy: ArrayLike, single_accuracy: float, single_cost: float
) -> float:
    """Return QNC: the least cost that reaches the best single model's accuracy, over that model's.

    Parameters
    ----------
    cost, accuracy
        ``[points]``; only points count, not the lines between them.
    single_accuracy, single_cost
        Of the best single model.

    Returns
    -------
    float
        Below 1 the router is as good and cheaper. Infinite if it is never as good, NaN if the
        single model costs nothing.

    Raises
    ------
    InvalidArgumentError
        As of `pareto_points`.
    """
    x, y = _points(cost, accuracy)
    if single_cost <= 0:
        return float("nan")
    # A mean of the same labels in another order of summation may differ in its last bits.
    reached: NDArray[np.bool_] = y >= single_accuracy - 1e-12
    return float(x[reached].min() / single_cost) if reached.any() else float("inf")


def aiq(cost: ArrayLike, accuracy: ArrayLike, largest_cost: float) -> float:
    """Return AIQ, the average improvement in quality.

    The area under the non-decreasing hull, extended to a cost shared by all routers, over that
    cost. The hull is the upper convex one: what mixing two neighbouring routers reaches. Below its
    cheapest point nothing is bought.

    Parameters
    ----------
    cost, accuracy
        ``[points]``.
    largest_cost
        The largest cost of all that is compared.

    Returns
    -------
    float
        From 0 to 1; NaN if everything is free.

    Raises
    ------
    InvalidArgumentError
        As of `pareto_points`.
    """
    if largest_cost <= 0:
        return float("nan")
    x, y = _upper_hull(*pareto_points(cost, accuracy))
    if x[0] >= largest_cost:
        return 0.0
    grid = np.append(x[x < largest_cost], largest_cost)
    return _trapezoid(np.interp(grid, x, y), grid) / largest_cost


def _points(cost: ArrayLike, accuracy: ArrayLike) -> tuple[Floats, Floats]:
    x, y = real_array(cost, "cost"), real_array(accuracy, "accuracy")
    if x.ndim != 1 or x.shape != y.shape or not len(x):
        raise InvalidArgumentError(
            f"cost has shape {list(x.shape)} and accuracy {list(y.shape)}: expected one value a "
            "point of each, and a point"
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InvalidArgumentError("cost and accuracy must be finite")
    return x, y


def _trapezoid(y: Floats, x: Floats) -> float:
    # numpy's own has another name before numpy 2.
    return float(((y[1:] + y[:-1]) * np.diff(x)).sum() / 2)


def _upper_hull(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return the upper convex hull of Pareto points (Andrew's monotone chain)."""
    kept: list[int] = []
    for place in range(len(x)):
        while len(kept) > 1:
            a, b = kept[-2], kept[-1]
            if (y[b] - y[a]) * (x[place] - x[a]) > (y[place] - y[a]) * (x[b] - x[a]):
                break
            kept.pop()
        kept.append(place)
    return x[kept], y[kept]
