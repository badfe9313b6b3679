"""Brier score, expected calibration error and the reliability diagram's bins."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from arms.errors import InvalidArgumentError
from arms.evaluation import Bootstrap, calibration, evaluate, expected_calibration_error
from worked import bootstrap_of, drawn


@pytest.mark.parametrize("unknown", [0.0, 0.3])
def test_brier_score_and_bins_are_those_of_scikit_learn(unknown: float) -> None:
    outcomes, confidences = drawn(unknown=unknown)
    measured = calibration(confidences, outcomes.labels, bootstrap_of(outcomes), bins=10)
    known = outcomes.known
    labels, given = outcomes.labels[known], confidences[known]
    assert measured.brier.value == pytest.approx(brier_score_loss(labels, given), abs=1e-12)
    accuracies, means = calibration_curve(labels, given, n_bins=10, strategy="uniform")
    filled = [entry for entry in measured.bins if entry.count]
    found = np.array([(entry.confidence, entry.accuracy.value) for entry in filled], np.float64)
    np.testing.assert_allclose(found, np.column_stack([means, accuracies]))
    assert sum(entry.count for entry in measured.bins) == known.sum()


def test_the_calibration_error_takes_lists_and_refuses_what_has_no_bins() -> None:
    assert expected_calibration_error([0.1, 0.8], [0, 1]) == pytest.approx(0.15)
    with pytest.raises(InvalidArgumentError, match=r"\[2\], labels \[1\]: expected one"):
        expected_calibration_error([0.1, 0.8], [0])
    for bins in (0, -3):
        with pytest.raises(InvalidArgumentError, match=f"bins must be at least 1, not {bins}"):
            expected_calibration_error([0.1], [0], bins)
    outcomes, confidences = drawn()
    with pytest.raises(InvalidArgumentError, match="bins must be at least 1"):
        evaluate(outcomes, confidences, bins=0, replicates=2)


def test_the_calibration_error_of_a_worked_example() -> None:
    # (0, .5] holds .2 and .4 with labels 0 and 1, means .3 and .5; (.5, 1] holds .9 with label 1.
    confidences, labels = np.array([[0.2], [0.4], [0.9]]), np.array([[0.0], [1.0], [1.0]])
    expected = 2 / 3 * 0.2 + 1 / 3 * 0.1
    assert expected_calibration_error(confidences, labels, bins=2) == pytest.approx(expected)
    measured = calibration(confidences, labels, Bootstrap(np.array(["a", "b", "c"])), bins=2)
    assert measured.ece.value == pytest.approx(expected)
    assert [(entry.low, entry.high, entry.count) for entry in measured.bins] == [
        (0.0, 0.5, 2),
        (0.5, 1.0, 1),
    ]
    assert measured.brier.value == pytest.approx((0.04 + 0.36 + 0.01) / 3)


def test_an_edge_belongs_to_the_bin_below_and_zero_to_the_first() -> None:
    confidences, labels = np.array([[0.0, 0.5, 1.0]]), np.array([[0.0, 1.0, 1.0]])
    measured = calibration(confidences, labels, Bootstrap(np.array(["a"])), bins=2)
    assert [entry.count for entry in measured.bins] == [2, 1]


def test_without_labels_nothing_is_defined() -> None:
    labels = np.full((2, 2), np.nan)
    measured = calibration(np.full((2, 2), 0.5), labels, Bootstrap(np.array(["a", "b"])))
    assert (measured.brier.value, measured.ece.value) == (None, None)
    assert np.isnan(expected_calibration_error(np.full(2, 0.5), labels[0]))
