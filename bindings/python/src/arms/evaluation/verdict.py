"""Whether a router is worth having on this data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from arms.evaluation.bootstrap import Bootstrap
from arms.evaluation.comparison import Comparison, Judgement, compare
from arms.evaluation.outcomes import Floats, Outcomes
from arms.evaluation.references import single_model
from arms.evaluation.selection import choose, routed

__all__ = ["Verdict", "judged"]


@dataclass(frozen=True)
class Verdict:
    """The router against each of the others, paired.

    Parameters
    ----------
    judgement
        "better" when it is better than every other; "worse" when it is worse than one; else
        "undecided".
    sentence
        The same in words.
    comparisons
        With each of the others.
    """

    judgement: Judgement
    sentence: str
    comparisons: list[Comparison]


def judged(
    outcomes: Outcomes,
    router: tuple[str, Floats],
    others: Mapping[str, Floats],
    strongest: int,
    prices: Floats,
    bootstrap: Bootstrap,
) -> Verdict:
    """Compare a router with others and with the strongest single model.

    Parameters
    ----------
    outcomes
        Of the queries.
    router, others
        Scores by name, ``[queries, models]``.
    strongest
        The column of the strongest model.
    prices
        ``[models]``: what routers choose by.
    bootstrap
        Over the same queries.
    """
    name = router[0]
    single = f"{outcomes.models[strongest]} alone"
    correct = {single: single_model(outcomes, strongest).correct}
    for other, values in [*others.items(), router]:
        correct[other] = routed(outcomes, choose(values, prices)).correct
    own = (name, correct.pop(name))
    comparisons = [compare(own, other, bootstrap) for other in correct.items()]
    return _summed_up(name, comparisons)


def _summed_up(name: str, comparisons: list[Comparison]) -> Verdict:
    parts: dict[Judgement, list[str]] = {"better": [], "worse": [], "undecided": []}
    for comparison in comparisons:
        parts[comparison.judgement].append(comparison.other)
    if parts["worse"]:
        sentence = f"{name} does not earn its place here: it is worse than {_and(parts['worse'])}."
        return Verdict("worse", sentence, comparisons)
    if parts["undecided"]:
        beaten = f" It is better than {_and(parts['better'])}." if parts["better"] else ""
        sentence = f"{name} is not shown to beat {_and(parts['undecided'])} on this data.{beaten}"
        return Verdict("undecided", sentence, comparisons)
    sentence = f"{name} beats everything that it was compared with: {_and(parts['better'])}."
    return Verdict("better", sentence, comparisons)


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
