"""Is one router better than another? Paired on the same queries, and said plainly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from arms.evaluation.bootstrap import Bootstrap, Estimate, Interval
from arms.evaluation.outcomes import Floats

__all__ = ["Comparison", "Judgement", "compare"]

Judgement: TypeAlias = Literal["better", "worse", "undecided"]

_FEWEST: Final = 6
"""Groups that must differ. Fewer may all speak for one router by chance, as 2 * 0.5^5 is above 0.05
(the sign test), though no draw of them says otherwise."""

_APART: Final = "these queries cannot tell the two apart"


@dataclass(frozen=True)
class Comparison:
    """The difference in EM between a router and another one.

    Parameters
    ----------
    router, other
        Their names.
    difference
        EM of `router` less EM of `other`, over the queries where both outcomes are known.
    interval
        95 % of the paired bootstrap over groups; `None` without a common query, with those of one
        group, or with so few that no draw has one.
    judgement
        "better" or "worse" when the interval does not hold 0, and the routers differ in six groups
        or more.
    sentence
        The same in words.
    """

    router: str
    other: str
    difference: Estimate
    interval: Interval | None
    judgement: Judgement
    sentence: str


def compare(
    router: tuple[str, Floats], other: tuple[str, Floats], bootstrap: Bootstrap
) -> Comparison:
    """Compare what became of the same queries under two routers.

    Parameters
    ----------
    router, other
        A name, and ``correct`` of a `Routed`, ``[queries]``. Several splits may be put one after
        the other, when `bootstrap` was given the groups in the same way: a group that several
        splits test is drawn as one.
    bootstrap
        Over the same queries.
    """
    (name, correct), (other_name, other_correct) = router, other
    differences = correct - other_correct
    difference, interval = bootstrap.mean_interval(differences)
    if interval is None or difference.value is None:
        sentence = f"{name} and {other_name} have {_lack(differences, bootstrap)}."
        return Comparison(name, other_name, difference, None, "undecided", sentence)
    # Means over seeds differ in their last bits.
    sums = bootstrap.group_sums(np.nan_to_num(differences))
    differing = int(np.count_nonzero(np.abs(sums) > 1e-9))
    judgement: Judgement = (
        "better" if interval.low > 0 else "worse" if interval.high < 0 else "undecided"
    )
    between = (
        f"95 % interval {100 * interval.low:+.1f} to {100 * interval.high:+.1f}, "
        f"{bootstrap.group_count} groups"
    )
    reason = f"the {between}, holds 0"
    if judgement != "undecided" and differing < _FEWEST:
        judgement = "undecided"
        reason = (
            f"they differ in {differing} of {bootstrap.group_count} groups, fewer than {_FEWEST}"
        )
    lead = _lead(name, other_name, difference.value, judgement)
    end = f" ({between})." if judgement != "undecided" else f", but {reason}: {_APART}."
    return Comparison(name, other_name, difference, interval, judgement, lead + end)


def _lack(differences: Floats, bootstrap: Bootstrap) -> str:
    known = ~np.isnan(differences)
    if not known.any():
        return "no query in common whose outcomes are known"
    if np.count_nonzero(bootstrap.group_sums(known.astype(np.float64))) == 1:
        return "queries of one group alone in common, which tells nothing of others"
    return "too few queries in common whose outcomes are known"


def _lead(name: str, other: str, difference: float, judgement: Judgement) -> str:
    points = f" by {100 * abs(difference):.1f} points of EM"
    if judgement != "undecided":
        return f"{name} is {judgement} than {other}{points}"
    if not difference:
        return f"{name} is level with {other}"
    return f"{name} is {'ahead of' if difference > 0 else 'behind'} {other}{points}"
