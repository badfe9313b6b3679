"""Exact match by task, by language and by benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from arms.evaluation.bootstrap import Bootstrap, Estimate
from arms.evaluation.outcomes import Floats, Outcomes

__all__ = ["Breakdown", "breakdowns"]

_FIELDS = {"task": "tasks", "language": "languages", "benchmark": "benchmarks"}


@dataclass(frozen=True)
class Breakdown:
    """The queries of one task, language or benchmark.

    Parameters
    ----------
    by
        "task", "language" or "benchmark".
    value
        Which one.
    queries, groups
        How many there are.
    em
        Exact match by the name of the router.
    """

    by: str
    value: str
    queries: int
    groups: int
    em: dict[str, Estimate]


def breakdowns(
    outcomes: Outcomes, correct: Mapping[str, Floats], *, replicates: int, seed: int
) -> list[Breakdown]:
    """Break exact match down by each field that has more than one value.

    Parameters
    ----------
    outcomes
        Of the queries.
    correct
        What became of them by router, ``[queries]``.
    replicates, seed
        Of the bootstrap, over the groups of each part.
    """
    rows = []
    for by, name in _FIELDS.items():
        values = getattr(outcomes, name)
        distinct = np.unique(values)
        for value in distinct if len(distinct) > 1 else []:
            part = values == value
            bootstrap = Bootstrap(outcomes.groups[part], replicates=replicates, seed=seed)
            em = {router: bootstrap.mean(right[part]) for router, right in correct.items()}
            rows.append(Breakdown(by, str(value), int(part.sum()), bootstrap.group_count, em))
    return rows
