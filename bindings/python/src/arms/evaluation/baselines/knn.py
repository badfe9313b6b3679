"""k nearest neighbours by cosine, exact."""

from __future__ import annotations

import numpy as np

from arms.errors import InvalidArgumentError
from arms.evaluation.baselines.baseline import known_mean
from arms.evaluation.outcomes import Booleans, Floats

__all__ = ["KNNRouter"]

_BLOCK = 256  # Queries compared at once.

# Of k + 1 possible means many are equal: then the model that is better overall comes first. Left to
# the order of the columns, such ties move EM by several points at k = 10.
_TIE = 1e-9


class KNNRouter:
    """The probability of a model is its mean label among the k nearest training queries.

    Ties at the k-th place go to the query that comes first in the training data; models of equal
    probability are told apart by their training means, a billionth of which is added. Unknown
    labels are left out of the mean; a model without a known label among the k takes its training
    mean.

    Parameters
    ----------
    k
        Neighbours; all there are, when there are fewer.
    """

    def __init__(self, k: int = 200) -> None:
        if k < 1:
            raise InvalidArgumentError(f"k must be at least 1, not {k}")
        self.k = k

    @property
    def name(self) -> str:
        """How tables call it."""
        return f"kNN (k={self.k})"

    def fit(self, embeddings: Floats, labels: Floats) -> None:
        """Keep the training queries: ``[queries, d]`` and ``[queries, models]``."""
        self._keys = _unit(embeddings)
        self._right = np.where(np.isnan(labels), 0.0, labels)
        self._known = (~np.isnan(labels)).astype(np.float64)
        self._default = known_mean(labels)

    def predict(self, embeddings: Floats) -> Floats:
        """Return the mean labels of the neighbours, ``[queries, models]``."""
        scores = np.empty((len(embeddings), len(self._default)))
        for start in range(0, len(embeddings), _BLOCK):
            near = self._nearest(_unit(embeddings[start : start + _BLOCK]))
            counts = near @ self._known
            means = near @ self._right / np.maximum(counts, 1)
            scores[start : start + _BLOCK] = np.where(counts > 0, means, self._default)
        return scores + _TIE * self._default

    def _nearest(self, queries: Floats) -> Floats:
        """Return ``[queries, training queries]``: 1 for the k nearest, else 0."""
        size = len(self._keys)
        k = min(self.k, size)
        # Equal texts have equal cosines up to rounding, which must not decide between them.
        cosines = np.round(queries @ self._keys.T, 9)
        edge = np.partition(cosines, size - k, axis=1)[:, size - k, None]
        nearer, level = cosines > edge, cosines == edge
        room = k - nearer.sum(axis=1, keepdims=True)
        near: Booleans = nearer | (level & (np.cumsum(level, axis=1) <= room))
        return near.astype(np.float64)


def _unit(vectors: Floats) -> Floats:
    values = np.asarray(vectors, np.float64)
    unit: Floats = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    return unit
