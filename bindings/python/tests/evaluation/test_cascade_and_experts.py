"""The threshold cascade on scores, and the load of the experts."""

from __future__ import annotations

import numpy as np
import pytest

from arms.errors import InvalidArgumentError
from arms.evaluation import Bootstrap, Outcomes, cascade_choices, expert_load, theta_sweep

# The first two models are the first pool.
SECOND = np.array([False, False, True])
SCORES = np.array([[0.9, 0.2, 0.95], [0.4, 0.6, 0.5], [0.3, 0.1, 0.8]])
LABELS = np.array([[1.0, 0, 1], [0, 0, 1], [1, 0, 1]])
OUTCOMES = Outcomes(models=("a", "b", "c"), labels=LABELS, costs=np.array([1.0, 1.0, 4.0]))


@pytest.mark.parametrize(
    ("theta", "choices", "asked"),
    [
        (0.5, [0, 1, 2], [False, False, True]),
        (0.6, [0, 1, 2], [False, True, True]),  # Not above theta: compared, and kept.
        (0.9, [2, 1, 2], [True, True, True]),
    ],
)
def test_the_first_pool_is_kept_above_theta(
    theta: float, choices: list[int], asked: list[bool]
) -> None:
    found = cascade_choices(SCORES, SECOND, theta)
    assert found[0].tolist() == choices
    assert found[1].tolist() == asked


def test_the_sweep_counts_what_was_scored() -> None:
    bootstrap = Bootstrap(np.array(["a", "b", "c"]), replicates=20)
    half, one = theta_sweep(OUTCOMES, SCORES, SECOND, bootstrap, (0.5, 1.0))
    assert (half.em.value, half.cost, half.second) == pytest.approx((2 / 3, 2, 1 / 3))
    # Six pairs of the first pool and one of the second: .9 and .2 are right, .4 too, .6, .3 and .1
    # of it wrong, wrong and right, and .8 right.
    assert half.labels.accuracy.value == pytest.approx(5 / 7)
    assert (one.em.value, one.cost, one.second) == pytest.approx((2 / 3, 3, 1))
    known = (SCORES > 0.5) == (LABELS == 1)
    assert one.labels.accuracy.value == pytest.approx(known.mean())


def test_the_load_of_experts() -> None:
    gate = np.array([[0.75, 0.25], [0.25, 0.75], [0.5, 0.5], [1.0, 0.0]])
    load = expert_load(gate, np.array(["x", "x", "y", "y"]))
    assert load.mean == [0.625, 0.375]
    assert load.first == [0.75, 0.25]
    assert load.by_task == {"x": [0.5, 0.5], "y": [0.75, 0.25]}
    entropy = -(0.625 * np.log2(0.625) + 0.375 * np.log2(0.375))
    assert load.balance == pytest.approx(entropy)
    assert expert_load(np.array([[1.0, 0.0]]), np.array(["x"])).balance == 0
    assert expert_load(np.array([[0.5, 0.5]]), np.array(["x"])).balance == pytest.approx(1)
    assert expert_load(np.ones((2, 1)), np.array(["x", "y"])).balance == 1


def test_a_gate_of_other_queries_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"expected \[2, experts\]"):
        expert_load(np.ones((3, 2)), np.array(["x", "y"]))
