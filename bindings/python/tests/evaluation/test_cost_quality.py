"""nAUC, Ps, QNC, AIQ and RankScore: worked examples, and the trapezoids of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import auc

from arms.errors import InvalidArgumentError
from arms.evaluation import (
    Outcomes,
    aiq,
    cost_quality_curve,
    curve_summaries,
    lambda_grid,
    nauc,
    pareto_points,
    peak,
    quality_neutral_cost,
    rank_score,
    shared_range,
)
from worked import COSTS, bootstrap_of, drawn

# The point at 3 is beaten by the one at 2.
COST = np.array([3.0, 1.0, 2.0, 4.0])
ACCURACY = np.array([0.5, 0.4, 0.6, 0.7])


def test_pareto_points_increase_in_both() -> None:
    cost, accuracy = pareto_points(COST, ACCURACY)
    assert cost.tolist() == [1, 2, 4]
    assert accuracy.tolist() == [0.4, 0.6, 0.7]
    # Of points at one cost the best counts, of equal accuracies the cheapest.
    cost, accuracy = pareto_points(np.array([1.0, 1.0, 2.0]), np.array([0.3, 0.4, 0.4]))
    assert (cost.tolist(), accuracy.tolist()) == ([1], [0.4])


def test_nauc_is_the_trapezoid_under_the_pareto_points() -> None:
    assert nauc(COST, ACCURACY) == pytest.approx((0.5 * 1 + 0.65 * 2) / 3)
    assert nauc(COST, ACCURACY) == pytest.approx(auc([1, 2, 4], [0.4, 0.6, 0.7]) / 3)
    assert nauc(np.array([2.0]), np.array([0.3])) == 0.3


@pytest.mark.parametrize(
    ("between", "area"),
    [
        ((1.5, 3.0), (0.55 * 0.5 + 0.625 * 1) / 1.5),  # Interpolated at both ends.
        ((0.0, 2.0), 0.5 / 2),  # Below the cheapest point nothing is bought.
        ((2.0, 6.0), (0.65 * 2 + 0.7 * 2) / 4),  # Beyond the dearest it stays level.
        ((0.2, 0.8), 0.0),
    ],
)
def test_nauc_over_a_range(between: tuple[float, float], area: float) -> None:
    assert nauc(COST, ACCURACY, between) == pytest.approx(area)


def test_the_shared_range_is_where_all_curves_lie() -> None:
    other = (np.array([1.5, 3.0]), np.array([0.2, 0.3]))
    point = (np.array([9.0]), np.array([0.9]))
    assert shared_range([(COST, ACCURACY), other, point]) == (1.5, 3.0)
    assert shared_range([(COST, ACCURACY), (other[0] + 9, other[1])]) is None
    assert shared_range([point]) is None


def test_peak_is_the_highest_accuracy() -> None:
    assert peak(ACCURACY) == 0.7


@pytest.mark.parametrize(
    ("single_accuracy", "single_cost", "expected"),
    [(0.6, 4.0, 0.5), (0.65, 4.0, 1.0), (0.7, 2.0, 2.0), (0.71, 4.0, np.inf)],
)
def test_qnc_is_the_least_cost_that_reaches_the_best_model(
    single_accuracy: float, single_cost: float, expected: float
) -> None:
    assert quality_neutral_cost(COST, ACCURACY, single_accuracy, single_cost) == expected


def test_qnc_of_a_free_model_is_not_defined() -> None:
    assert np.isnan(quality_neutral_cost(COST, ACCURACY, 0.6, 0.0))


def test_points_may_be_lists_and_must_be_numbers() -> None:
    cost, accuracy = COST.tolist(), ACCURACY.tolist()
    assert nauc(cost, accuracy) == nauc(COST, ACCURACY)
    assert aiq(cost, accuracy, 5.0) == aiq(COST, ACCURACY, 5.0)
    assert quality_neutral_cost(cost, accuracy, 0.6, 4.0) == 0.5
    assert (peak(accuracy), shared_range([(cost, accuracy)])) == (0.7, (1, 4))
    assert lambda_grid([1.0, 2.0]).tolist() == lambda_grid(np.array([1.0, 2.0])).tolist()
    outcomes, scores = drawn()
    curve = cost_quality_curve(outcomes, scores.tolist(), [0.0, np.inf], prices=list(COSTS))
    assert curve.cost[-1] == pytest.approx(COSTS[0])
    with pytest.raises(InvalidArgumentError, match="cost and accuracy must be finite"):
        aiq(COST, ACCURACY * np.nan, 5.0)
    with pytest.raises(InvalidArgumentError, match="cost and accuracy must be finite"):
        quality_neutral_cost(COST * np.nan, ACCURACY, 0.6, 4.0)
    for short in ([0.5], []):
        with pytest.raises(InvalidArgumentError, match="expected one value a point of each"):
            nauc(COST[: 2 * len(short)], short)
    with pytest.raises(InvalidArgumentError, match="prices must all be known"):
        lambda_grid([1.0, np.nan])


def test_aiq_is_the_area_under_the_hull_over_the_shared_cost() -> None:
    assert aiq(COST, ACCURACY, 5.0) == pytest.approx((0.5 * 1 + 0.65 * 2 + 0.7 * 1) / 5)
    assert aiq(COST, ACCURACY, 2.0) == pytest.approx(0.5 / 2)
    assert aiq(COST, ACCURACY, 1.0) == 0
    assert np.isnan(aiq(COST, ACCURACY, 0.0))
    # The point in the middle lies below the line between its neighbours, and is left out.
    sagging = np.array([1.0, 2.0, 4.0]), np.array([0.4, 0.41, 0.8])
    assert aiq(*sagging, 4.0) == pytest.approx(0.6 * 3 / 4)


@pytest.mark.parametrize(
    ("accuracy", "cost", "expected"),
    [
        (0.6, 2.0, 1.1 * 0.6 * 0.75 / (0.06 + 0.75)),  # C = (log2 16 - log2 2) / log2 16
        (0.6, 1.0, 1.1 * 0.6 / 1.06),
        (0.6, 0.5, 1.1 * 0.6 / 1.06),  # Cheaper than the cheapest: clipped.
        (0.6, 16.0, 0.0),
        (0.6, 32.0, 0.0),
        (0.0, 2.0, 0.0),
        (0.0, 16.0, 0.0),
        (1.0, 1.0, 1.0),
    ],
)
def test_rank_score_weighs_accuracy_against_cheapness(
    accuracy: float, cost: float, expected: float
) -> None:
    assert rank_score(accuracy, cost, 1.0, 16.0) == pytest.approx(expected)


def test_rank_score_needs_prices_that_differ() -> None:
    assert np.isnan(rank_score([0.5, 0.6], [1.0, 1.0], 1.0, 1.0)).all()
    assert np.isnan(rank_score(0.5, 1.0, 0.0, 1.0))


def test_a_curve_goes_from_the_best_answers_to_the_cheapest_model() -> None:
    # Utilities of the dear model fall below the cheap one's at lambda .4 and at .2.
    outcomes = Outcomes(
        models=("cheap", "dear"), labels=np.array([[0.0, 1], [1, 1]]), costs=np.array([1.0, 2.0])
    )
    scores = np.array([[0.5, 0.9], [0.6, 0.8]])
    curve = cost_quality_curve(outcomes, scores, np.array([0.0, 0.3, 0.5, np.inf]))
    assert curve.cost.tolist() == [2, 1.5, 1, 1]
    assert curve.accuracy.tolist() == [1, 1, 0.5, 0.5]


def test_the_grid_reaches_both_ends() -> None:
    outcomes, scores = drawn()
    grid = lambda_grid(outcomes.prices)
    assert (grid[0], grid[-1]) == (0, np.inf)
    assert (np.diff(grid[:-1]) > 0).all()
    curve = cost_quality_curve(outcomes, scores)
    best = outcomes.labels[range(len(outcomes)), scores.argmax(axis=1)].mean()
    assert curve.accuracy[0] == pytest.approx(best)
    assert curve.cost[-1] == pytest.approx(COSTS[0])
    assert curve.accuracy[-1] == pytest.approx(outcomes.labels[:, 0].mean())
    assert lambda_grid(np.array([1.0, 1.0])).tolist() == [0, np.inf]


def test_a_curve_chooses_by_price_and_spends_what_answers_cost() -> None:
    # The models have one price; which of them is the cheaper of a query is known afterwards.
    outcomes = Outcomes(
        models=("a", "b"), labels=np.array([[1.0, 0], [0, 1]]), costs=np.array([[1.0, 3], [5, 3]])
    )
    assert outcomes.prices.tolist() == [3, 3]
    level = np.full((2, 2), 0.5)
    curve = cost_quality_curve(outcomes, level)
    assert (curve.cost.tolist(), curve.accuracy.tolist()) == ([3, 3], [0.5, 0.5])
    assert curve.spent[:, 0].tolist() == [1, 5]
    dear = cost_quality_curve(outcomes, level, prices=np.array([2.0, 1.0]))
    assert dear.spent[:, 0].tolist() == [3, 3]


def test_summaries_are_the_metrics_of_the_curve() -> None:
    outcomes, scores = drawn()
    random = np.random.default_rng(1).uniform(size=scores.shape)
    known, unknown = curve_summaries(
        outcomes, {"own": scores, "random": random}, bootstrap_of(outcomes)
    )
    curve = cost_quality_curve(outcomes, scores)
    other = cost_quality_curve(outcomes, random)
    assert known.nauc.value == pytest.approx(nauc(curve.cost, curve.accuracy))
    between = shared_range([(curve.cost, curve.accuracy), (other.cost, other.accuracy)])
    assert known.nauc_shared.value == pytest.approx(nauc(curve.cost, curve.accuracy, between))
    assert known.peak.value == peak(curve.accuracy)
    assert known.aiq.value == pytest.approx(aiq(curve.cost, curve.accuracy, COSTS[2]))
    column = int(outcomes.labels.mean(axis=0).argmax())
    qnc = quality_neutral_cost(
        curve.cost, curve.accuracy, outcomes.labels[:, column].mean(), COSTS[column]
    )
    assert known.reaches
    assert known.qnc.value == pytest.approx(qnc)
    assert known.nauc.value > unknown.nauc.value  # type: ignore[operator]
    for estimate in (known.nauc, known.nauc_shared, known.peak, known.aiq):
        assert estimate.error is not None
        assert 0 < estimate.error < 0.1
    assert known.lambdas[-1] is None


def test_a_curve_that_never_reaches_the_best_model_says_so() -> None:
    labels = np.array([[0.0, 1], [0, 1], [1, 0]])
    outcomes = Outcomes(models=("a", "b"), labels=labels, costs=np.array([1.0, 2.0]))
    (summary,) = curve_summaries(outcomes, {"wrong": 1 - labels}, bootstrap_of(outcomes))
    assert (summary.reaches, summary.qnc.value) == (False, None)


def test_without_costs_there_are_no_curves() -> None:
    outcomes = Outcomes(models=("a", "b"), labels=np.eye(2))
    assert curve_summaries(outcomes, {"any": np.eye(2)}, bootstrap_of(outcomes)) == []
