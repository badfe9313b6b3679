"""Logistic regression, one a model."""

from __future__ import annotations

from typing import Any

import numpy as np

from arms.evaluation.baselines.baseline import known_mean, scikit_learn
from arms.evaluation.outcomes import Floats

__all__ = ["LogisticRouter"]


class LogisticRouter:
    """The probability of a model is a logistic regression on the embedding.

    Parameters
    ----------
    c
        scikit-learn's C: the inverse of the regularisation.
    """

    def __init__(self, c: float = 0.1) -> None:
        self.c = c

    @property
    def name(self) -> str:
        """How tables call it."""
        return f"logistic (C={self.c:g})"

    def fit(self, embeddings: Floats, labels: Floats) -> None:
        """Fit one regression a model, on the queries whose outcome is known."""
        linear = scikit_learn("linear_model")
        self._default = known_mean(labels)
        self._models: list[Any] = []
        for column in labels.T:
            known = ~np.isnan(column)
            # With one class there is nothing to learn but its mean.
            model = None
            if len(np.unique(column[known])) == 2:
                model = linear.LogisticRegression(C=self.c, max_iter=1000)
                model.fit(embeddings[known], column[known])
            self._models.append(model)

    def predict(self, embeddings: Floats) -> Floats:
        """Return the probabilities, ``[queries, models]``."""
        scores = np.tile(self._default, (len(embeddings), 1))
        for place, model in enumerate(self._models):
            if model is not None:
                scores[:, place] = model.predict_proba(embeddings)[:, 1]
        return scores
