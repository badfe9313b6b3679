"""Whether confidences are probabilities: Brier score, expected calibration error, reliability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from arms._marshal import real_array
from arms.errors import InvalidArgumentError
from arms.evaluation.bootstrap import Bootstrap, Estimate
from arms.evaluation.outcomes import Floats

__all__ = ["Calibration", "ReliabilityBin", "calibration", "expected_calibration_error"]


@dataclass(frozen=True)
class ReliabilityBin:
    """The pairs of query and model whose confidence lies in (low, high]; the first holds 0 too.

    `confidence` and `accuracy` are means; `None` in an empty bin.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: Estimate


@dataclass(frozen=True)
class Calibration:
    """How far confidences are from probabilities.

    Parameters
    ----------
    brier
        The mean of (c_ij - label)^2 (Brier 1950).
    ece
        The expected calibration error: the mean of the bins' distances between confidence and
        accuracy, weighted by their counts (Naeini et al. 2015).
    bins
        Of equal width from 0 to 1.
    """

    brier: Estimate
    ece: Estimate
    bins: list[ReliabilityBin]


def calibration(
    confidences: Floats, labels: Floats, bootstrap: Bootstrap, bins: int = 15
) -> Calibration:
    """Measure the calibration of all pairs of query and model whose label is known.

    Parameters
    ----------
    confidences
        ``[queries, models]``, from 0 to 1.
    labels
        ``[queries, models]``.
    bootstrap
        Over the same queries.
    bins
        Of equal width.

    Raises
    ------
    InvalidArgumentError
        If `bins` is less than 1.
    """
    known = ~np.isnan(labels)
    squares = np.where(known, (confidences - labels) ** 2, 0).sum(axis=1)
    counts = known.sum(axis=1).astype(np.float64)
    sums = _bin_sums(confidences, labels, bins)
    totals, replicates = sums.sum(axis=0), bootstrap.sums(sums)
    brier = bootstrap.sums(np.stack([squares, counts], axis=1))
    if not known.any():
        described = _described(totals, replicates, bootstrap)
        return Calibration(Estimate(None, None), Estimate(None, None), described)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Calibration(
            Estimate(
                float(squares.sum() / counts.sum()), bootstrap.error(brier[:, 0] / brier[:, 1])
            ),
            Estimate(float(_distance(totals)), bootstrap.error(_distance(replicates))),
            _described(totals, replicates, bootstrap),
        )


def expected_calibration_error(confidences: ArrayLike, labels: ArrayLike, bins: int = 15) -> float:
    """Return the expected calibration error of any array of confidences; NaN without labels.

    Parameters
    ----------
    confidences, labels
        Of one shape; labels are NaN where unknown.
    bins
        Of equal width.

    Raises
    ------
    InvalidArgumentError
        If the shapes differ, or `bins` is less than 1.
    """
    given, truth = real_array(confidences, "confidences"), real_array(labels, "labels")
    if given.shape != truth.shape:
        raise InvalidArgumentError(
            f"confidences has shape {list(given.shape)}, labels {list(truth.shape)}: expected one"
        )
    sums = _bin_sums(given.reshape(1, -1), truth.reshape(1, -1), bins)[0]
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(_distance(sums))


def _bin_sums(confidences: Floats, labels: Floats, bins: int) -> Floats:
    """Return ``[queries, 3, bins]``: pairs, and sums of their confidences and labels."""
    if bins < 1:
        raise InvalidArgumentError(f"bins must be at least 1, not {bins}")
    known = ~np.isnan(labels)
    places = np.clip(np.ceil(confidences * bins).astype(np.intp) - 1, 0, bins - 1)
    rows = np.broadcast_to(np.arange(len(labels))[:, None], labels.shape)[known]
    sums = np.zeros((len(labels), 3, bins))
    for row, values in enumerate((np.ones_like(labels), confidences, labels)):
        np.add.at(sums[:, row], (rows, places[known]), values[known])
    return sums


def _distance(sums: Floats) -> Floats:
    """Return the calibration error of ``[..., 3, bins]``."""
    # count * |mean label - mean confidence| is |sum of labels - sum of confidences|.
    gaps: Floats = np.abs(sums[..., 2, :] - sums[..., 1, :]).sum(axis=-1)
    counts: Floats = sums[..., 0, :].sum(axis=-1)
    return np.asarray(gaps / counts)


def _described(totals: Floats, replicates: Floats, bootstrap: Bootstrap) -> list[ReliabilityBin]:
    bins = totals.shape[-1]
    described = []
    for place, (count, confidence, right) in enumerate(totals.T):
        accuracy = Estimate(None, None)
        if count:
            with np.errstate(invalid="ignore", divide="ignore"):
                error = bootstrap.error(replicates[:, 2, place] / replicates[:, 0, place])
            accuracy = Estimate(float(right / count), error)
        described.append(
            ReliabilityBin(
                place / bins,
                (place + 1) / bins,
                int(count),
                float(confidence / count) if count else None,
                accuracy,
            )
        )
    return described
