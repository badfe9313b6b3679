"""From scores to choices: the policies of `arms.Router.route`, on arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from arms._marshal import real_array
from arms.errors import InvalidArgumentError
from arms.evaluation.outcomes import Choices, Floats, Outcomes

__all__ = ["Routed", "choose", "lambda_for_cost", "routed"]


@dataclass(frozen=True, eq=False)
class Routed:
    """What became of the queries under one router.

    Parameters
    ----------
    correct
        ``[queries]``: 1, 0, or NaN where the outcome is unknown; a share for a random choice.
    cost
        ``[queries]`` in US dollars, NaN where unknown.
    choices
        ``[queries]``: the chosen columns; `None` for a random choice.
    """

    correct: Floats
    cost: Floats
    choices: Choices | None


def routed(outcomes: Outcomes, choices: Choices) -> Routed:
    """Look up what became of choices.

    Parameters
    ----------
    outcomes
        Of the queries.
    choices
        ``[queries]``, columns of `outcomes`.
    """
    rows = np.arange(len(outcomes))
    return Routed(outcomes.labels[rows, choices], outcomes.costs[rows, choices], choices)


def choose(
    scores: ArrayLike,
    costs: ArrayLike | None = None,
    *,
    lambda_: float = 0.0,
    cost_cap: float | None = None,
) -> Choices:
    """Choose the model of the highest utility ``score - lambda * cost`` for each query.

    Ties go to the cheaper model, then to the first. When no model fits the cost cap, the cheapest
    is chosen.

    Parameters
    ----------
    scores
        ``[queries, models]``.
    costs
        ``[models]`` in US dollars, `Outcomes.prices` say; needed by the other two. What each query
        cost is no business of a choice: it is known only after the answer.
    lambda_
        The score that a US dollar is worth; infinite for the cheapest model.
    cost_cap
        Leave out models above it, in US dollars.

    Raises
    ------
    InvalidArgumentError
        If a cost is needed and not known, there is not one a model, `lambda_` is negative, or
        `cost_cap` is NaN.
    """
    values = _checked_scores(scores)
    if lambda_ < 0 or math.isnan(lambda_):
        raise InvalidArgumentError(f"lambda_ must not be negative, but is {lambda_}")
    if cost_cap is not None and math.isnan(cost_cap):
        raise InvalidArgumentError("cost_cap must be a number of US dollars, not NaN")
    known = None if costs is None else _checked_prices(values, costs)
    if known is None or np.isnan(known).any():
        if lambda_ > 0 or cost_cap is not None:
            raise InvalidArgumentError("costs must all be known for a lambda or a cost cap")
        return np.asarray(values.argmax(axis=1), np.intp)
    prices = np.broadcast_to(known, values.shape)
    if math.isinf(lambda_):
        return _first(-prices, values)
    utility = values - lambda_ * prices
    if cost_cap is None:
        return _first(utility, -prices)
    fits = prices <= cost_cap
    chosen = _first(np.where(fits, utility, -np.inf), np.where(fits, -prices, -np.inf))
    return np.where(fits.any(axis=1), chosen, _first(-prices, values))


def _checked_scores(scores: ArrayLike) -> Floats:
    values = real_array(scores, "scores")
    if values.ndim != 2:
        raise InvalidArgumentError(
            f"scores has shape {list(values.shape)}: expected [queries, models]"
        )
    return values


def _checked_prices(scores: Floats, costs: ArrayLike) -> Floats:
    prices = real_array(costs, "costs")
    if prices.shape != scores.shape[1:]:
        raise InvalidArgumentError(
            f"costs has shape {list(prices.shape)}: expected {list(scores.shape[1:])}, one price a "
            "model, Outcomes.prices say: what a query costs is not known when it is routed"
        )
    return prices


def _first(values: Floats, ties: Floats) -> Choices:
    """Return the column of the highest value in each row, of those the one highest in `ties`."""
    best = values == values.max(axis=1, keepdims=True)
    return np.asarray(np.where(best, ties, -np.inf).argmax(axis=1), np.intp)


def lambda_for_cost(scores: ArrayLike, costs: ArrayLike, budget: float) -> float:
    """Find the smallest lambda whose choices cost at most `budget` a query in the mean.

    Choose it on training data and use it on others: a lambda that is chosen on what it is judged by
    flatters the router.

    Parameters
    ----------
    scores, costs
        As of `choose`.
    budget
        US dollars a query.

    Returns
    -------
    float
        To a relative 1e-6; infinite when only the cheapest models fit, or even they do not.

    Raises
    ------
    InvalidArgumentError
        If a cost is not known, there is not one a model, or `budget` is NaN.
    """
    values = _checked_scores(scores)
    prices = _checked_prices(values, costs)
    if math.isnan(budget):
        raise InvalidArgumentError("budget must be a number of US dollars, not NaN")
    if np.isnan(prices).any():
        raise InvalidArgumentError("costs must all be known for a budget")

    def spent(lambda_: float) -> float:
        return float(prices[choose(values, prices, lambda_=lambda_)].mean())

    if spent(0.0) <= budget:
        return 0.0
    spread = float(prices.max() - prices.min())
    if spread == 0 or spent(1e9 / spread) > budget:
        return math.inf
    # The mean cost does not grow with lambda: halve the interval, in the logarithm.
    low, high = 1e-9 / spread, 1e9 / spread
    while high > low * (1 + 1e-6):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if spent(middle) <= budget else (middle, high)
    return high
