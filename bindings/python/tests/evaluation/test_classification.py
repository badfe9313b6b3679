"""Accuracy, precision, recall and F1, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
)

from arms.evaluation import Bootstrap, confusion, label_metrics, label_scores
from worked import bootstrap_of, drawn


@pytest.mark.parametrize("unknown", [0.0, 0.3])
def test_label_metrics_are_those_of_scikit_learn(unknown: float) -> None:
    outcomes, confidences = drawn(unknown=unknown)
    measured = label_metrics(confidences, outcomes.labels, bootstrap_of(outcomes))
    known = outcomes.known
    true, predicted = outcomes.labels[known], confidences[known] > 0.5
    references = {
        "accuracy": accuracy_score,
        "precision": precision_score,
        "recall": recall_score,
        "f1": f1_score,
    }
    for name, reference in references.items():
        estimate = getattr(measured, name)
        assert estimate.value == pytest.approx(reference(true, predicted), abs=1e-12), name
        assert 0 < estimate.error < 0.1


def test_counts_are_those_of_the_confusion_matrix() -> None:
    outcomes, confidences = drawn()
    counts = confusion(confidences, outcomes.labels).sum(axis=0)
    matrix = confusion_matrix(outcomes.labels.ravel(), confidences.ravel() > 0.5)
    assert counts.tolist() == [matrix[1, 1], matrix[0, 1], matrix[1, 0], matrix[0, 0]]


def test_a_confidence_of_one_half_is_no() -> None:
    assert confusion([[0.5, 0.5001]], [[1.0, 1.0]]).tolist() == [[1, 0, 1, 0]]


def test_what_has_no_denominator_is_not_defined() -> None:
    assert np.isnan(label_scores(np.zeros(4))).all()
    nobody = np.array([[0.1], [0.2]])
    measured = label_metrics(nobody, np.zeros((2, 1)), Bootstrap(np.array(["a", "b"])))
    assert measured.accuracy.value == 1
    assert (measured.precision.value, measured.recall.value) == (None, None)
    assert measured.f1.value is None
