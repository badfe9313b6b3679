"""Routers side by side on the same splits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from arms.evaluation import Bootstrap
from arms.evaluation.outcomes import Booleans, Floats, Texts

Correct: TypeAlias = dict[str, list[list[Floats]]]
"""By router ``[seeds][splits]``: of each query, whether it was answered rightly."""


def add(correct: Correct, name: str, seed: int, values: Floats) -> None:
    """Add what a router answered in the next split; seeds come in their order."""
    runs = correct.setdefault(name, [])
    if seed == len(runs):
        runs.append([])
    runs[seed].append(values)


def tell(what: str, correct: Correct, test: Booleans) -> None:
    """Print EM in percent of the split that was measured last, a figure a seed."""
    ems = {
        name: [round(100 * float(run[-1][test].mean()), 1) for run in runs] for name, runs in correct.items()
    }
    print(f"{what}:", ems, flush=True)


def paired_table(correct: Correct, tests: Sequence[Booleans], groups: Texts) -> dict[str, Any]:
    """Compare every router with every other.

    Parameters
    ----------
    correct
        Arrays of all queries; a router without chance has one seed.
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
            "error": _percent(standard_error(by_split)),
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
                "error": _percent(standard_error(np.array(difference))),
                "interval": None if interval is None else [_percent(interval.low), _percent(interval.high)],
            }
        table[name] = row
    return table


def standard_error(values: Floats) -> float | None:
    """Return the standard error of a mean; `None` of one value, which tells nothing of it."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None


def _percent(value: Any) -> Any:
    return None if value is None else round(100 * float(value), 2)
