"""How well a router tells right from wrong answers: the paper's section 5.1.2."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from arms._marshal import real_array
from arms.evaluation.bootstrap import Bootstrap, Estimate
from arms.evaluation.outcomes import Floats

__all__ = ["LabelMetrics", "confusion", "label_metrics", "label_scores"]


@dataclass(frozen=True)
class LabelMetrics:
    """Accuracy, precision, recall and F1 of the labels, over all pairs of query and model.

    A metric whose denominator is zero is not defined, and `None`.
    """

    accuracy: Estimate
    precision: Estimate
    recall: Estimate
    f1: Estimate


def confusion(confidences: ArrayLike, labels: ArrayLike, threshold: float = 0.5) -> Floats:
    """Count the true and false positives and negatives of each query.

    Parameters
    ----------
    confidences
        c_ij, ``[queries, models]``; the predicted label is 1 above `threshold`.
    labels
        ``[queries, models]``; pairs whose label is NaN are not counted.

    Returns
    -------
    ndarray
        ``[queries, 4]``: true positives, false positives, false negatives, true negatives.
    """
    given, truth = real_array(confidences, "confidences"), real_array(labels, "labels")
    positive, right, known = given > threshold, truth == 1, ~np.isnan(truth)
    cells = (positive & right, positive & ~right, ~positive & right, ~positive & ~right)
    return np.stack([(cell & known).sum(axis=1) for cell in cells], axis=1).astype(np.float64)


def label_scores(counts: Floats) -> Floats:
    """Return accuracy, precision, recall and F1, ``[..., 4]``, NaN where 0/0.

    Parameters
    ----------
    counts
        ``[..., 4]`` as of `confusion`, summed over queries.
    """
    tp, fp, fn, tn = np.moveaxis(counts, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack(
            [
                (tp + tn) / (tp + fp + fn + tn),
                tp / (tp + fp),
                tp / (tp + fn),
                2 * tp / (2 * tp + fp + fn),
            ],
            axis=-1,
        )


def label_metrics(confidences: Floats, labels: Floats, bootstrap: Bootstrap) -> LabelMetrics:
    """Measure the labels that a router predicts.

    Parameters
    ----------
    confidences, labels
        As of `confusion`.
    bootstrap
        Over the same queries.
    """
    counts = confusion(confidences, labels)
    values = label_scores(counts.sum(axis=0))
    replicates = label_scores(bootstrap.sums(counts))
    return LabelMetrics(
        *(
            Estimate(None, None)
            if np.isnan(value)
            else Estimate(float(value), bootstrap.error(column))
            for value, column in zip(values, replicates.T, strict=True)
        )
    )
