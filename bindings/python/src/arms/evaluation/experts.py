"""How the gate spreads queries over the fusion experts (Eq. 2-3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arms.errors import InvalidArgumentError
from arms.evaluation.outcomes import Floats, Texts

__all__ = ["ExpertLoad", "expert_load"]


@dataclass(frozen=True)
class ExpertLoad:
    """The load of each expert.

    Parameters
    ----------
    mean
        The mean of p_i, one value an expert; they sum to 1.
    first
        The share of queries for which the expert has the largest weight.
    by_task
        The mean of p_i of each task's queries.
    balance
        The entropy of `mean` over that of a uniform load: 1 when all experts carry the same, 0 when
        one carries everything.
    """

    mean: list[float]
    first: list[float]
    by_task: dict[str, list[float]]
    balance: float


def expert_load(gate: Floats, tasks: Texts) -> ExpertLoad:
    """Measure the load of the experts.

    Parameters
    ----------
    gate
        p_i of every query, ``[queries, experts]``.
    tasks
        ``[queries]``.

    Raises
    ------
    InvalidArgumentError
        If the shapes contradict each other.
    """
    if gate.ndim != 2 or len(gate) != len(tasks) or not len(gate):
        raise InvalidArgumentError(
            f"gate has shape {list(gate.shape)}: expected [{len(tasks)}, experts]"
        )
    mean = gate.mean(axis=0)
    first = np.bincount(gate.argmax(axis=1), minlength=gate.shape[1]) / len(gate)
    loaded = mean[mean > 0]
    entropy = -float((loaded * np.log(loaded)).sum())
    return ExpertLoad(
        mean.tolist(),
        first.tolist(),
        {str(task): gate[tasks == task].mean(axis=0).tolist() for task in np.unique(tasks)},
        entropy / float(np.log(len(mean))) if len(mean) > 1 else 1.0,
    )
