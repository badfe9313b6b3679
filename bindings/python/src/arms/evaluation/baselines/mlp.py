"""A multi-layer perceptron."""

from __future__ import annotations

from typing import Any

import numpy as np

from arms.evaluation.baselines.baseline import known_mean, scikit_learn
from arms.evaluation.outcomes import Floats

__all__ = ["MLPRouter"]


class MLPRouter:
    """One hidden layer with ReLU, one sigmoid a model, trained by Adam.

    Parameters
    ----------
    width
        Of the hidden layer.
    alpha
        The weight of the L2 penalty.
    epochs
        Passes over the training data.
    seed
        Of the weights and the order.
    """

    def __init__(
        self, width: int = 128, *, alpha: float = 1e-4, epochs: int = 20, seed: int = 0
    ) -> None:
        self.width, self.alpha, self.epochs, self.seed = width, alpha, epochs, seed

    @property
    def name(self) -> str:
        """How tables call it."""
        return f"MLP ({self.width})"

    def fit(self, embeddings: Floats, labels: Floats) -> None:
        """Fit one network for all models, or one each where outcomes are unknown."""
        self._default = known_mean(labels)
        columns = np.arange(labels.shape[1])
        together = not np.isnan(labels).any() and len(columns) > 1
        self._networks: list[tuple[Any, Any]] = []
        for these in [columns] if together else columns[:, None]:
            known = ~np.isnan(labels[:, these]).any(axis=1)
            targets = labels[known][:, these].astype(np.int64)
            if together or len(np.unique(targets)) == 2:
                self._networks.append((these, self._trained(embeddings[known], targets)))

    def _trained(self, embeddings: Floats, targets: Any) -> Any:
        perceptron = scikit_learn("neural_network").MLPClassifier(
            (self.width,), alpha=self.alpha, random_state=self.seed
        )
        classes = np.arange(targets.shape[1]) if targets.shape[1] > 1 else np.array([0, 1])
        order, size = np.random.default_rng(self.seed), len(targets)
        targets = targets if targets.shape[1] > 1 else targets[:, 0]
        # Batches of its own: `fit` warns of every run that stops before it has converged.
        for _ in range(self.epochs):
            for rows in np.array_split(order.permutation(size), max(1, size // 200)):
                perceptron.partial_fit(embeddings[rows], targets[rows], classes=classes)
        return perceptron

    def predict(self, embeddings: Floats) -> Floats:
        """Return the probabilities, ``[queries, models]``."""
        scores = np.tile(self._default, (len(embeddings), 1))
        for columns, network in self._networks:
            probabilities = network.predict_proba(embeddings)
            scores[:, columns] = probabilities if len(columns) > 1 else probabilities[:, 1:]
        return scores
