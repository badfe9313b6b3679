"""Everything that is measured of a router on a set of queries, gathered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from arms._marshal import real_array
from arms.errors import InvalidArgumentError
from arms.evaluation.bootstrap import Bootstrap
from arms.evaluation.cascade import ThetaPoint, theta_sweep
from arms.evaluation.experts import ExpertLoad, expert_load
from arms.evaluation.frames import in_order
from arms.evaluation.outcomes import Booleans, Floats, Outcomes, checked_scores
from arms.evaluation.references import mean_per_task, single_choices
from arms.evaluation.verdict import Verdict, judged
from arms.evaluation.view import MEAN_PER_TASK, View, is_reference, measured

__all__ = ["FORMAT", "VERSION", "DataSummary", "Evaluation", "evaluate"]

FORMAT: Final = "arms-evaluation"
VERSION: Final = 1
"""Grows when a field of the JSON form changes its meaning or goes; not when one is added."""


@dataclass(frozen=True)
class DataSummary:
    """What was evaluated on.

    Parameters
    ----------
    queries, groups
        How many there are.
    training_queries
        Those that the baselines were fitted on; 0 without.
    models
        The candidates that were compared.
    known
        The share of the pairs of query and model whose outcome is known.
    answerable
        The share of the queries that some model answers.
    """

    queries: int
    groups: int
    training_queries: int
    models: list[str]
    known: float
    answerable: float


@dataclass(frozen=True)
class Evaluation:
    """The result of `evaluate`; its JSON form is described in ``SCHEMA.md`` beside this file.

    Parameters
    ----------
    router
        The name of what was evaluated.
    data
        What it was evaluated on.
    all, answerable
        Over all queries, and over those that some model answers; `None` when there is none.
    verdict
        Whether the router is worth having, by paired comparison.
    experts
        The load of the fusion experts, when the gate's values were given.
    thetas
        The threshold cascade, when there are two pools.
    replicates, seed
        Of the bootstrap.
    notes
        What a reader must know to read the figures right.
    """

    router: str
    data: DataSummary
    all: View
    answerable: View | None
    verdict: Verdict
    experts: ExpertLoad | None
    thetas: list[ThetaPoint] | None
    replicates: int
    seed: int
    notes: list[str] = field(default_factory=list)
    format: str = FORMAT
    version: int = VERSION


def evaluate(
    outcomes: Outcomes,
    scores: ArrayLike,
    *,
    name: str = "ARMS",
    training: Outcomes | None = None,
    baselines: Mapping[str, ArrayLike] | None = None,
    gate: ArrayLike | None = None,
    second_pool: ArrayLike | None = None,
    replicates: int = 1000,
    seed: int = 0,
    bins: int = 15,
) -> Evaluation:
    """Measure a router against everything that it should beat.

    Parameters
    ----------
    outcomes
        The held-out queries.
    scores
        Confidences of the router from 0 to 1, ``[queries, models]``. The columns of a pandas frame
        are told by their names, those of an array are in the order of `outcomes`.
    name
        How tables call it.
    training
        Other queries of the same models, from which the strongest model, the means per task and
        each model's price, its mean cost, are taken. Without it the strongest is known only in
        hindsight, which is noted, and the prices are the mean costs of `outcomes`.
    baselines
        Scores of other routers on the same queries by name, from `fit_predict` say.
    gate
        p_i, ``[queries, experts]``.
    second_pool
        Booleans ``[models]``: the candidates of a cascade's second router.
    replicates, seed
        Of the bootstrap over groups.
    bins
        Of the reliability diagram.

    Returns
    -------
    Evaluation
        The same for the same input, on any machine but for the last bits.

    Raises
    ------
    InvalidArgumentError
        If the input contradicts itself, or a group lies in both sets of queries.
    """
    if not len(outcomes) or not outcomes.models:
        raise InvalidArgumentError("outcomes is empty: there is nothing to evaluate on")
    confidences = checked_scores(scores, outcomes)
    if confidences.min() < 0 or confidences.max() > 1:
        raise InvalidArgumentError("scores must be confidences from 0 to 1, not logits")
    if training is not None:
        check_training(outcomes, training)
    rivals = {key: checked_scores(v, outcomes, key) for key, v in (baselines or {}).items()}
    _check_names(name, rivals)
    tasks: dict[str, Floats] = {}
    if training is not None:
        tasks[MEAN_PER_TASK] = mean_per_task(training, outcomes)
    singles = single_choices(outcomes if training is None else training)
    prices = _prices(outcomes, training)

    def view(queries: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> View:
        part = outcomes.select(queries)
        bootstrap = Bootstrap(part.groups, replicates=replicates, seed=seed)
        learned = {key: value[queries] for key, value in (rivals | tasks).items()}
        own = (name, confidences[queries])
        return measured(part, own, learned, singles, prices, bootstrap, bins)

    whole = Bootstrap(outcomes.groups, replicates=replicates, seed=seed)
    sweep = None
    if second_pool is not None:
        second = _second_pool(second_pool, outcomes.models)
        sweep = theta_sweep(outcomes, confidences, second, whole)
    answerable = outcomes.answerable
    return Evaluation(
        name,
        DataSummary(
            len(outcomes),
            whole.group_count,
            0 if training is None else len(training),
            list(outcomes.models),
            float(outcomes.known.mean()),
            float(answerable.mean()),
        ),
        view(np.ones(len(outcomes), np.bool_)),
        view(answerable) if answerable.any() else None,
        judged(outcomes, (name, confidences), rivals | tasks, singles.strongest, prices, whole),
        None if gate is None else expert_load(np.asarray(gate, np.float64), outcomes.tasks),
        sweep,
        replicates,
        seed,
        _notes(outcomes, training),
    )


def _check_names(name: str, rivals: Mapping[str, Floats]) -> None:
    """Refuse a name that another row of the tables has: it would show that one's figures."""
    if name in rivals:
        raise InvalidArgumentError(f"two routers are called {name!r}: give one another name")
    for one in (name, *rivals):
        if is_reference(one):
            raise InvalidArgumentError(
                f"{one!r} is what the tables call a reference: give the router another name"
            )


def _second_pool(given: ArrayLike, models: Sequence[str]) -> Booleans:
    values = real_array(in_order(given, models, "second_pool"), "second_pool")
    if values.shape != (len(models),) or not np.isin(values, (0, 1)).all():
        raise InvalidArgumentError(
            "second_pool must be Booleans, one a model: whether it is of the second router"
        )
    if len(np.unique(values)) < 2:
        raise InvalidArgumentError("second_pool must hold some of the models, but not all")
    return np.asarray(values == 1, np.bool_)


def _prices(outcomes: Outcomes, training: Outcomes | None) -> Floats:
    """Return what routers choose by, ``[models]``: what is known before the queries are asked."""
    if training is None:
        return outcomes.prices
    known = training.prices
    return np.where(np.isnan(known), outcomes.prices, known)


def check_training(outcomes: Outcomes, training: Outcomes) -> None:
    """Refuse training queries that are of other models, or of groups that are measured on.

    Raises
    ------
    InvalidArgumentError
        If they are.
    """
    if training.models != outcomes.models:
        raise InvalidArgumentError("training has other models than outcomes")
    # Numbers that stand for names are the same in any two sets.
    leaked = np.intersect1d(training.groups[~training.unnamed], outcomes.groups[~outcomes.unnamed])
    if len(leaked):
        raise InvalidArgumentError(
            f"{len(leaked)} groups are in the training queries and in the held-out ones, "
            f"{str(leaked[0])!r} say: split by group"
        )


def _notes(outcomes: Outcomes, training: Outcomes | None) -> list[str]:
    notes = []
    if training is None:
        notes.append(
            "No training queries were given: the strongest model is the one of these very queries, "
            "known in hindsight, and no baseline was fitted."
        )
    elif training.unnamed.any() or outcomes.unnamed.any():
        notes.append(
            "Some queries have neither id nor group: whether the training queries are among the "
            "held-out ones cannot be told."
        )
    notes.append(
        "Standard errors and intervals are those of drawing other queries; what another training "
        "run or another training set would change comes on top."
    )
    if not outcomes.priced:
        lacking = np.flatnonzero(np.isnan(outcomes.costs).any(axis=0))
        names = ", ".join(outcomes.models[column] for column in lacking)
        notes.append(f"The cost of {names} is unknown: nothing that needs costs was measured.")
    if not outcomes.known.all():
        notes.append(
            "Some outcomes are unknown: EM is that of the queries where the chosen model's is "
            "known, which flatters or harms whoever chooses the unknown ones."
        )
    if training is not None and not np.isin(outcomes.tasks, training.tasks).all():
        notes.append("Some tasks do not occur in the training queries: out of distribution.")
    return notes
