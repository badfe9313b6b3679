"""What a router is compared with that needs no learning: bounds, single models, simple rules."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from arms.evaluation.outcomes import Floats, Outcomes
from arms.evaluation.selection import Routed, routed

__all__ = [
    "SingleChoices",
    "cheapest_model",
    "mean_per_task",
    "model_accuracies",
    "oracle",
    "random_choice",
    "single_choices",
    "single_model",
    "strongest_model",
]


def oracle(outcomes: Outcomes) -> Routed:
    """Choose the cheapest correct model, else the cheapest: the upper bound of every router.

    Where outcomes are missing, only models whose outcome is known are chosen.
    """
    costs = np.where(np.isnan(outcomes.costs), 0.0, outcomes.costs)
    # Classes of preference: known to be right, known to be wrong, unknown.
    rank = np.where(outcomes.known, outcomes.labels, -1.0)
    preferred = rank == rank.max(axis=1, keepdims=True)
    return routed(outcomes, np.where(preferred, costs, np.inf).argmin(axis=1))


def random_choice(outcomes: Outcomes) -> Routed:
    """Choose any model with the same probability: the expectation, not a sample."""
    known = outcomes.known
    counts = known.sum(axis=1)
    sums = np.where(known, outcomes.labels, 0).sum(axis=1)
    share = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return Routed(share, outcomes.costs.mean(axis=1), None)


def single_model(outcomes: Outcomes, model: int) -> Routed:
    """Choose one model, by its column, for every query."""
    return routed(outcomes, np.full(len(outcomes), model, np.intp))


def model_accuracies(outcomes: Outcomes) -> Floats:
    """Return the share of its known outcomes in which each model is right, ``[models]``."""
    known = outcomes.known
    counts = known.sum(axis=0)
    sums = np.where(known, outcomes.labels, 0).sum(axis=0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def strongest_model(outcomes: Outcomes) -> int:
    """Return the column of the most accurate model; of equals the cheaper, then the first."""
    accuracy = np.nan_to_num(model_accuracies(outcomes), nan=-1.0)
    costs = np.nan_to_num(outcomes.costs.mean(axis=0), nan=np.inf)
    return int(np.lexsort((costs, -accuracy))[0])


def cheapest_model(outcomes: Outcomes) -> int | None:
    """Return the column of the cheapest model, of equals the more accurate one.

    `None` when the cost of a model is unknown.
    """
    if not outcomes.priced:
        return None
    accuracy = np.nan_to_num(model_accuracies(outcomes), nan=-1.0)
    return int(np.lexsort((-accuracy, outcomes.costs.mean(axis=0)))[0])


class SingleChoices(NamedTuple):
    """The models to choose always, as columns.

    Parameters
    ----------
    strongest, cheapest
        As of `strongest_model` and `cheapest_model`.
    """

    strongest: int
    cheapest: int | None


def single_choices(outcomes: Outcomes) -> SingleChoices:
    """Find the strongest and the cheapest model; in training data, to use them on others."""
    return SingleChoices(strongest_model(outcomes), cheapest_model(outcomes))


def mean_per_task(training: Outcomes, outcomes: Outcomes) -> Floats:
    """Score each model by its mean label on the training queries of the same task.

    Parameters
    ----------
    training
        Whose means are taken. A task that it lacks, or a model that it does not know in a task,
        falls back on the model's mean over all tasks, and that on 0.5.
    outcomes
        Whose queries are scored; of the same models.

    Returns
    -------
    ndarray
        ``[queries, models]``.
    """
    overall = np.nan_to_num(model_accuracies(training), nan=0.5)
    scores = np.tile(overall, (len(outcomes), 1))
    for task in np.unique(outcomes.tasks):
        seen = training.tasks == task
        if seen.any():
            means = model_accuracies(training.select(seen))
            scores[outcomes.tasks == task] = np.where(np.isnan(means), overall, means)
    return scores
