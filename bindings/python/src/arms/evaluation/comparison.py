"""Is one router better than another? Paired on the same queries, and said plainly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from arms.evaluation.bootstrap import Bootstrap, Estimate, Interval
from arms.evaluation.outcomes import Floats

__all__ = ["Comparison", "Judgement", "compare"]

Judgement: TypeAlias = Literal["better", "worse", "undecided"]


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
        95 % of the paired bootstrap over groups; `None` without a common query, or with so few that
        no draw has one.
    judgement
        "better" or "worse" when the interval does not hold 0.
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
    difference, interval = bootstrap.mean_interval(correct - other_correct)
    if interval is None or difference.value is None:
        few = "no query" if difference.value is None else "too few queries"
        sentence = f"{name} and {other_name} have {few} in common whose outcomes are known."
        return Comparison(name, other_name, difference, None, "undecided", sentence)
    judgement: Judgement = (
        "better" if interval.low > 0 else "worse" if interval.high < 0 else "undecided"
    )
    sentence = _sentence(name, other_name, difference.value, interval, judgement, bootstrap)
    return Comparison(name, other_name, difference, interval, judgement, sentence)


def _sentence(
    name: str,
    other: str,
    difference: float,
    interval: Interval,
    judgement: Judgement,
    bootstrap: Bootstrap,
) -> str:
    points = f"{100 * abs(difference):.1f} points of EM"
    groups = f"{bootstrap.group_count} groups"
    between = f"95 % interval {100 * interval.low:+.1f} to {100 * interval.high:+.1f}, {groups}"
    if judgement != "undecided":
        return f"{name} is {judgement} than {other} by {points} ({between})."
    lead = "ahead of" if difference > 0 else "behind" if difference < 0 else "level with"
    by = f" by {points}" if difference else ""
    return (
        f"{name} is {lead} {other}{by}, but the {between}, holds 0: these queries cannot tell the "
        "two apart."
    )
