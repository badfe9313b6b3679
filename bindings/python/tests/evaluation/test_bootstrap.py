"""Standard errors over groups: by hand, by formula, and by drawing."""

from __future__ import annotations

import numpy as np
import pytest

from arms.errors import InvalidArgumentError
from arms.evaluation import Bootstrap, breakdowns, calibration, compare, label_metrics, routed
from worked import drawn


def test_replicates_are_means_of_drawn_groups() -> None:
    groups = np.array(["b", "a", "b", "c", "a", "a"])
    values = np.array([1.0, 0, 0, 1, 1, np.nan])
    bootstrap = Bootstrap(groups, replicates=300, seed=3)
    # The same draws, each replicate written out query by query.
    counts = np.random.default_rng(3).multinomial(3, [1 / 3] * 3, 300)
    means = []
    for a, b, c in counts:
        queries = [0.0, 1.0] * int(a) + [1.0, 0.0] * int(b) + [1.0] * int(c)
        means.append(np.mean(queries))
    estimate = bootstrap.mean(values)
    assert estimate.value == pytest.approx(3 / 5)
    assert estimate.error == pytest.approx(np.std(means, ddof=1))
    both, interval = bootstrap.mean_interval(values)
    assert both == estimate
    assert interval is not None
    assert [interval.low, interval.high] == pytest.approx(np.percentile(means, [2.5, 97.5]))


def test_the_error_of_a_mean_is_that_of_the_group_means() -> None:
    generator = np.random.default_rng(0)
    means = generator.uniform(size=100)
    values = np.repeat(means, 10)
    groups = np.repeat([f"g{number}" for number in range(100)], 10)
    error = Bootstrap(groups, replicates=4000).mean(values).error
    assert error == pytest.approx(means.std() / 10, rel=0.05)
    # Queries that are taken for independent seem to tell more than they do: by the root of 10.
    alone = np.array([str(number) for number in range(1000)])
    naive = Bootstrap(alone, replicates=4000).mean(values).error
    assert naive == pytest.approx(means.std() / np.sqrt(1000), rel=0.05)


def test_the_seed_decides_and_pieces_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes, _ = drawn()
    values = outcomes.labels[:, 0]
    first = Bootstrap(outcomes.groups, replicates=50, seed=1).mean(values)
    assert Bootstrap(outcomes.groups, replicates=50, seed=1).mean(values) == first
    assert Bootstrap(outcomes.groups, replicates=50, seed=2).mean(values) != first
    monkeypatch.setattr("arms.evaluation.bootstrap._CHUNK", 100)
    pieces = Bootstrap(outcomes.groups, replicates=50, seed=1).mean(values)
    assert pieces.error == pytest.approx(first.error)


def test_what_is_unknown_has_no_estimate() -> None:
    bootstrap = Bootstrap(np.array(["a", "b"]))
    assert bootstrap.mean(np.array([np.nan, np.nan])).value is None
    assert bootstrap.mean_interval(np.array([np.nan, np.nan]))[1] is None
    with pytest.raises(InvalidArgumentError, match="at least one query"):
        Bootstrap(np.array([], np.str_))
    with pytest.raises(InvalidArgumentError, match="at least 2"):
        Bootstrap(np.array(["a"]), replicates=1)


def test_comparisons_are_paired() -> None:
    outcomes, scores = drawn(400)
    bootstrap = Bootstrap(outcomes.groups, replicates=500)
    worse = routed(outcomes, scores.argmin(axis=1)).correct
    best = routed(outcomes, scores.argmax(axis=1)).correct
    found = compare(("good", best), ("bad", worse), bootstrap)
    assert found.judgement == "better"
    assert found.difference.value == pytest.approx(best.mean() - worse.mean())
    assert found.sentence.startswith("good is better than bad by ")
    assert compare(("bad", worse), ("good", best), bootstrap).judgement == "worse"
    same = compare(("good", best), ("itself", best), bootstrap)
    assert (same.judgement, same.difference.error) == ("undecided", 0)
    assert "level with itself" in same.sentence
    # Differences of the same queries are known better than the two means apart.
    error = found.difference.error
    apart = [bootstrap.mean(values).error for values in (best, worse)]
    assert error is not None
    assert error**2 < sum(one**2 for one in apart if one is not None)


def test_nothing_in_common_is_no_comparison() -> None:
    bootstrap = Bootstrap(np.array(["a", "b"]))
    left, right = np.array([1.0, np.nan]), np.array([np.nan, 1.0])
    found = compare(("l", left), ("r", right), bootstrap)
    assert (found.judgement, found.interval) == ("undecided", None)
    assert "no query in common" in found.sentence


def test_draws_that_miss_the_known_queries_give_no_interval() -> None:
    known = np.array([1.0, *[np.nan] * 49])
    bootstrap = Bootstrap(np.arange(50).astype(np.str_), replicates=2, seed=25)
    estimate, interval = bootstrap.mean_interval(known)
    assert (estimate.value, estimate.error, interval) == (1, None, None)
    comparison = compare(("a", known), ("b", np.zeros(50)), bootstrap)
    assert comparison.sentence.startswith("a and b have queries of one group alone in common")
    known[1] = 1
    assert bootstrap.mean_interval(known)[1] is None
    comparison = compare(("a", known), ("b", np.zeros(50)), bootstrap)
    assert comparison.sentence.startswith("a and b have too few queries in common")


def test_one_group_tells_nothing() -> None:
    bootstrap = Bootstrap(np.array(["a"] * 9), replicates=50)
    right = np.ones(9)
    estimate, interval = bootstrap.mean_interval(right)
    assert (estimate.value, estimate.error, interval) == (1, None, None)
    comparison = compare(("x", right), ("y", 1 - right), bootstrap)
    assert (comparison.judgement, comparison.interval) == ("undecided", None)
    assert comparison.sentence == (
        "x and y have queries of one group alone in common, which tells nothing of others."
    )
    labels = (np.arange(9) % 2).astype(np.float64)[:, None]
    confidences = np.full((9, 1), 0.7)
    assert label_metrics(confidences, labels, bootstrap).accuracy.error is None
    calibrated = calibration(confidences, labels, bootstrap)
    assert (calibrated.ece.error, calibrated.brier.error) == (None, None)


@pytest.mark.parametrize(
    ("differing", "judgement"), [(3, "undecided"), (5, "undecided"), (6, "better")]
)
def test_a_verdict_needs_six_groups_that_differ(differing: int, judgement: str) -> None:
    # All that differ speak for one router, be they all or few of the groups.
    for groups in (differing, 40):
        right = np.zeros(2 * groups)
        right[: 2 * differing] = 1
        bootstrap = Bootstrap(np.repeat(np.arange(groups).astype(np.str_), 2), replicates=200)
        comparison = compare(("x", right), ("y", np.zeros(2 * groups)), bootstrap)
        assert comparison.judgement == judgement
        if judgement == "undecided" and groups == differing:
            assert f"differ in {differing} of {groups} groups, fewer than 6" in comparison.sentence
            assert comparison.sentence.startswith("x is ahead of y by 100.0 points of EM, but")
        reverse = compare(("y", np.zeros(2 * groups)), ("x", right), bootstrap)
        assert reverse.judgement == {"better": "worse"}.get(judgement, judgement)


def test_breakdowns_are_means_of_the_parts() -> None:
    outcomes, scores = drawn()
    correct = {"own": routed(outcomes, scores.argmax(axis=1)).correct}
    parts = breakdowns(outcomes, correct, replicates=50, seed=0)
    # There is one benchmark only, which is the whole.
    assert {part.by for part in parts} == {"task", "language"}
    for part in parts:
        column = {"task": outcomes.tasks, "language": outcomes.languages}[part.by]
        chosen = column == part.value
        assert part.queries == chosen.sum()
        assert part.groups == len(np.unique(outcomes.groups[chosen]))
        assert part.em["own"].value == pytest.approx(correct["own"][chosen].mean())
