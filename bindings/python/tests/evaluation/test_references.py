"""What a router is compared with: by hand."""

from __future__ import annotations

import numpy as np
import pytest

from arms.evaluation import (
    Outcomes,
    cheapest_model,
    mean_per_task,
    model_accuracies,
    oracle,
    paradox_matrix,
    random_choice,
    single_model,
    strongest_model,
)

NAN = np.nan
OUTCOMES = Outcomes(
    models=("a", "b", "c"),
    labels=np.array([[1.0, 0, 1], [0, 0, 1], [0, 0, 0], [1, 1, 0]]),
    costs=np.array([3.0, 1.0, 2.0]),
    tasks=np.array(["x", "x", "y", "y"]),
)


def test_the_oracle_takes_the_cheapest_correct_model_else_the_cheapest() -> None:
    chosen = oracle(OUTCOMES)
    assert chosen.choices is not None
    assert chosen.choices.tolist() == [2, 2, 1, 1]
    assert chosen.correct.tolist() == [1, 1, 0, 1]
    assert chosen.cost.tolist() == [2, 2, 1, 1]


def test_the_oracle_never_takes_what_nobody_knows() -> None:
    labels = np.array([[NAN, 0.0], [NAN, 1.0], [NAN, NAN]])
    chosen = oracle(Outcomes(models=("a", "b"), labels=labels, costs=np.array([1.0, 2.0])))
    assert chosen.choices is not None
    assert chosen.choices.tolist() == [1, 1, 0]
    without_costs = oracle(Outcomes(models=("a", "b"), labels=labels))
    assert without_costs.correct[:2].tolist() == [0, 1]


def test_single_models() -> None:
    assert model_accuracies(OUTCOMES).tolist() == [0.5, 0.25, 0.5]
    assert strongest_model(OUTCOMES) == 2  # As accurate as the first, and cheaper.
    assert cheapest_model(OUTCOMES) == 1
    assert single_model(OUTCOMES, 0).correct.tolist() == [1, 0, 0, 1]
    assert single_model(OUTCOMES, 0).cost.tolist() == [3, 3, 3, 3]
    assert cheapest_model(Outcomes(models=("a",), labels=np.ones((1, 1)))) is None
    unknown = Outcomes(models=("a", "b"), labels=np.array([[NAN, 0.0]]))
    assert strongest_model(unknown) == 1


def test_a_random_choice_is_the_expectation() -> None:
    chosen = random_choice(OUTCOMES)
    np.testing.assert_allclose(chosen.correct, [2 / 3, 1 / 3, 0, 2 / 3])
    np.testing.assert_allclose(chosen.cost, 2)
    assert chosen.choices is None
    partly = Outcomes(models=("a", "b"), labels=np.array([[NAN, 1.0], [NAN, NAN]]))
    np.testing.assert_array_equal(random_choice(partly).correct, [1, NAN])


def test_means_per_task_fall_back_on_the_whole() -> None:
    asked = Outcomes(
        models=OUTCOMES.models, labels=np.zeros((3, 3)), tasks=np.array(["y", "x", "new"])
    )
    np.testing.assert_allclose(
        mean_per_task(OUTCOMES, asked), [[0.5, 0.5, 0], [0.5, 0, 1], [0.5, 0.25, 0.5]]
    )
    partly = Outcomes(
        models=("a", "b"),
        labels=np.array([[NAN, NAN], [1.0, NAN]]),
        tasks=np.array(["x", "y"]),
    )
    asked = Outcomes(models=("a", "b"), labels=np.zeros((1, 2)), tasks=np.array(["x"]))
    np.testing.assert_allclose(mean_per_task(partly, asked), [[1, 0.5]])


def test_the_paradox_is_what_one_gets_wrong_and_another_right() -> None:
    shares = paradox_matrix(OUTCOMES.labels.tolist())
    # a errs on the queries 1 and 2, of which b answers none and c one; and so on.
    expected = [[NAN, 0, 1 / 2], [1 / 3, NAN, 2 / 3], [1 / 2, 1 / 2, NAN]]
    np.testing.assert_allclose(shares, expected)


def test_the_paradox_counts_what_both_are_known_to_do() -> None:
    labels = np.array([[0.0, 1, 1], [0, NAN, 1], [NAN, 0, 1]])
    shares = paradox_matrix(labels)
    assert shares[0].tolist()[1:] == [1, 1]
    assert np.isnan(shares[2]).all()  # The third makes no error.
    assert np.isnan(shares[1, 0])
    assert shares[1, 2] == pytest.approx(1)
