"""The performance paradox: what one model gets wrong and another one right (the paper's Fig. 1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from arms._marshal import real_array
from arms.evaluation.outcomes import Floats

__all__ = ["paradox_matrix"]


def paradox_matrix(labels: ArrayLike) -> Floats:
    """Return the share of the row model's errors that the column model answers.

    Parameters
    ----------
    labels
        ``[queries, models]``; a query counts for a pair where both outcomes are known.

    Returns
    -------
    ndarray
        ``[models, models]`` from 0 to 1; NaN on the diagonal, and in the row of a model that makes
        no error.
    """
    truth = real_array(labels, "labels")
    wrong, right = (truth == 0).astype(np.float64), (truth == 1).astype(np.float64)
    known = (~np.isnan(truth)).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares: Floats = (wrong.T @ right) / (wrong.T @ known)
    np.fill_diagonal(shares, np.nan)
    return shares
