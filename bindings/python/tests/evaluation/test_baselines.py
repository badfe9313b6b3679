"""kNN, logistic and MLP routers, against scikit-learn's own."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsRegressor

from arms.errors import InvalidArgumentError, UnsupportedError
from arms.evaluation import Outcomes
from arms.evaluation.baselines import (
    Baseline,
    KNNRouter,
    LogisticRouter,
    MLPRouter,
    default_baselines,
    fit_predict,
)

GENERATOR = np.random.default_rng(0)
KEYS = GENERATOR.normal(size=(300, 8))
QUERIES = GENERATOR.normal(size=(40, 8))
# Each model is right where one coordinate is positive, nine times in ten.
LABELS = ((KEYS[:, :3] > 0) ^ (GENERATOR.uniform(size=(300, 3)) < 0.1)).astype(np.float64)
OUTCOMES = Outcomes(models=("a", "b", "c"), labels=LABELS)


@pytest.mark.parametrize("k", [1, 7, 200, 500])
def test_knn_is_that_of_scikit_learn(k: int) -> None:
    reference = KNeighborsRegressor(min(k, 300), metric="cosine", algorithm="brute")
    expected = reference.fit(KEYS, LABELS).predict(QUERIES)
    scores = fit_predict([KNNRouter(k)], OUTCOMES, KEYS, QUERIES)[f"kNN (k={k})"]
    np.testing.assert_allclose(scores, expected, atol=1e-8)


def test_knn_of_equal_distances_takes_the_first() -> None:
    router = KNNRouter(2)
    router.fit(np.array([[1.0, 0], [2, 0], [3, 0], [0, 1]]), np.array([[1.0], [1], [0], [0]]))
    assert router.predict(np.array([[5.0, 0]])) == pytest.approx(1)


def test_knn_leaves_out_what_is_unknown() -> None:
    router = KNNRouter(2)
    labels = np.array([[1.0, np.nan], [np.nan, np.nan], [0.0, 1.0]])
    router.fit(np.array([[1.0, 0], [1, 0.1], [0, 1]]), labels)
    # The first model has one known neighbour; the second none, so that its mean counts.
    np.testing.assert_allclose(router.predict(np.array([[1.0, 0.05]])), [[1, 1]], atol=1e-8)


def test_models_that_are_as_good_nearby_are_told_apart_by_their_means() -> None:
    router = KNNRouter(1)
    router.fit(np.array([[1.0, 0], [0, 1]]), np.array([[1.0, 1], [0, 1]]))
    assert router.predict(np.array([[1.0, 0]])).argmax() == 1


def test_logistic_is_that_of_scikit_learn() -> None:
    labels = LABELS.copy()
    labels[:50, 1] = np.nan  # Left out.
    labels[:, 2] = 1  # With one class there is its mean alone.
    outcomes = Outcomes(models=("a", "b", "c"), labels=labels)
    scores = fit_predict([LogisticRouter(0.5)], outcomes, KEYS, QUERIES)["logistic (C=0.5)"]
    for column in (0, 1):
        known = ~np.isnan(labels[:, column])
        reference = LogisticRegression(C=0.5, max_iter=1000)
        reference.fit(KEYS[known], labels[known, column])
        np.testing.assert_allclose(scores[:, column], reference.predict_proba(QUERIES)[:, 1])
    np.testing.assert_array_equal(scores[:, 2], 1)


def test_the_perceptron_learns_and_repeats_itself() -> None:
    scores = fit_predict([MLPRouter(32, seed=1, epochs=300)], OUTCOMES, KEYS, QUERIES)["MLP (32)"]
    right = (scores > 0.5) == (QUERIES[:, :3] > 0)
    assert right.mean() > 0.8
    again = fit_predict([MLPRouter(32, seed=1, epochs=300)], OUTCOMES, KEYS, QUERIES)["MLP (32)"]
    np.testing.assert_array_equal(scores, again)


def test_the_perceptron_of_what_is_known_in_part() -> None:
    labels = LABELS.copy()
    labels[::3, 0] = np.nan
    labels[:, 2] = 0
    outcomes = Outcomes(models=("a", "b", "c"), labels=labels)
    scores = fit_predict([MLPRouter(32, epochs=300)], outcomes, KEYS, QUERIES)["MLP (32)"]
    assert ((scores[:, 0] > 0.5) == (QUERIES[:, 0] > 0)).mean() > 0.8
    np.testing.assert_array_equal(scores[:, 2], 0)


def test_the_commands_baselines() -> None:
    names = [baseline.name for baseline in default_baselines()]
    assert names == ["kNN (k=10)", "kNN (k=50)", "kNN (k=200)", "logistic (C=0.1)", "MLP (128)"]


def test_what_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidArgumentError, match="300 training queries"):
        fit_predict([], OUTCOMES, KEYS[:5], QUERIES)
    with pytest.raises(InvalidArgumentError, match=r"expected \[queries, 8\]"):
        fit_predict([], OUTCOMES, KEYS, QUERIES[:, :3])
    with pytest.raises(InvalidArgumentError, match="finite"):
        fit_predict([], OUTCOMES, KEYS, QUERIES * np.nan)
    alike: list[Baseline] = [MLPRouter(seed=0), KNNRouter(5), MLPRouter(seed=1)]
    with pytest.raises(InvalidArgumentError, match=r"2 baselines are called 'MLP \(128\)'"):
        fit_predict(alike, OUTCOMES, KEYS, QUERIES)
    with pytest.raises(InvalidArgumentError, match="at least 1"):
        KNNRouter(0)
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(UnsupportedError, match="pip install"):
        fit_predict([LogisticRouter()], OUTCOMES, KEYS, QUERIES)
