"""Routers side by side on the same splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from arms.evaluation import Bootstrap
from arms.evaluation.outcomes import Booleans, Floats, Texts


def paired_table(
    correct: Mapping[str, Sequence[Sequence[Floats]]], tests: Sequence[Booleans], groups: Texts
) -> dict[str, Any]:
    """Compare every router with every other.

    Parameters
    ----------
    correct
        By router, ``[seeds][splits]`` arrays of all queries; a router without chance has one seed.
    tests
        The test queries of each split.
    groups
        Of all queries.

    Returns
    -------
    dict
        By router: EM in percent, its error over splits, its deviation over seeds, EM by split, and
        by other router the difference, its error over splits and its 95 % interval of the bootstrap
        over groups. A query counts with its mean over seeds.
    """
    tested = {
        name: [np.mean([run[place][test] for run in runs], axis=0) for place, test in enumerate(tests)]
        for name, runs in correct.items()
    }
    bootstrap = Bootstrap(np.concatenate([groups[test] for test in tests]))
    table: dict[str, Any] = {}
    for name, runs in correct.items():
        by_seed = [[run[place][test].mean() for place, test in enumerate(tests)] for run in runs]
        by_split = np.mean(by_seed, axis=0)
        row: dict[str, Any] = {
            "em": _percent(by_split.mean()),
            "error": _percent(_error(by_split)),
            "seeds": len(runs),
            "seed_deviation": _percent(np.std(np.mean(by_seed, axis=1), ddof=1)) if len(runs) > 1 else None,
            "splits": [_percent(value) for value in by_split],
            "gain": {},
        }
        for other in correct:
            if other == name:
                continue
            difference = [
                mine.mean() - theirs.mean() for mine, theirs in zip(tested[name], tested[other], strict=True)
            ]
            _, interval = bootstrap.mean_interval(
                np.concatenate(tested[name]) - np.concatenate(tested[other])
            )
            row["gain"][other] = {
                "points": _percent(np.mean(difference)),
                "error": _percent(_error(np.array(difference))),
                "interval": None if interval is None else [_percent(interval.low), _percent(interval.high)],
            }
        table[name] = row
    return table


def _error(values: Floats) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


def _percent(value: Any) -> float:
    return round(100 * float(value), 2)
